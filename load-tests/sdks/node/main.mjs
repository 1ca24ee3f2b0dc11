// LINE's own SDK for Node.js against the stand-in for LINE at ANSHIN_LINE_URL.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { channelAccessToken, HTTPFetchError, messagingApi, validateSignature } from "@line/bot-sdk";

const { ANSHIN_LINE_URL: baseURL, ANSHIN_LINE_CHANNEL_ID: id, ANSHIN_LINE_CHANNEL_SECRET: secret } = process.env;
assert.equal(new URL(baseURL).hostname, "127.0.0.1", "never LINE itself");
const [friend, other, writer] = ["a", "b", "c"].map((digit) => `U${digit.repeat(32)}`);
const text = (words) => [{ type: "text", text: words }];

let checks = 0;
const check = (fine, what) => {
  assert.ok(fine, what);
  checks += 1;
};
const refused = async (status, call, what) => {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof HTTPFetchError)) throw error;
    check(error.status === status, `${what}: ${error.status} instead of ${status}`);
    return error;
  }
  assert.fail(`${what}: it was accepted`);
};

const tokens = new channelAccessToken.ChannelAccessTokenClient({ baseURL });
const issue = (withSecret) => tokens.issueStatelessChannelToken("client_credentials", undefined, undefined, id, withSecret);
const issued = await issue(secret);
check(issued.token_type === "Bearer" && issued.expires_in > 0, "a token");
await refused(400, () => issue("wrong"), "a wrong secret");
const line = new messagingApi.MessagingApiClient({ baseURL, channelAccessToken: issued.access_token });
const stranger = new messagingApi.MessagingApiClient({ baseURL, channelAccessToken: "stranger" });
await refused(401, () => stranger.getBotInfo(), "a token that was not issued");
check((await line.getBotInfo()).basicId.startsWith("@"), "who we are");

const steer = async (path, body) => {
  const answer = await fetch(`${baseURL}/_standin/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, path);
};
await steer("people", [friend, other].map((user) => ({ user, friend: true, name: "LINE taro", language: "ja" })));

const pushKey = randomUUID();
const push = () => line.pushMessage({ to: friend, messages: text("push") }, pushKey);
check((await push()).sentMessages[0].id.length > 0, "push");
await refused(409, push, "push again");

const key = randomUUID();
const multicast = () => line.multicastWithHttpInfo({ to: [friend, other], messages: text("multicast") }, key);
const accepted = (await multicast()).httpResponse.headers.get("x-line-request-id");
check(accepted, "multicast");
const again = await refused(409, multicast, "multicast again");
check(again.headers.get("x-line-accepted-request-id") === accepted, "the request that was accepted");
await line.validateMulticast({ messages: text("validate") });
const details = await refused(400, () => line.validateMulticast({ messages: text("") }), "no words");
check(JSON.parse(details.body).details[0].property === "messages[0].text", "what is wrong");

// A webhook, by LINE's own check of signatures.
const replyToken = await new Promise((resolve, reject) => {
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.end();
    server.close();
    const body = Buffer.concat(parts);
    if (!validateSignature(body, secret, request.headers["x-line-signature"])) reject(new Error("a bad signature"));
    else resolve(JSON.parse(body).events[0].replyToken);
  });
  server.listen(0, "127.0.0.1", () => {
    const url = `http://127.0.0.1:${server.address().port}/webhook`;
    steer("webhook", { url, user: writer, what: { text: { message: "1", text: "hello" } } }).catch(reject);
  });
});
const reply = () => line.replyMessage({ replyToken, messages: text("reply") });
check((await reply()).sentMessages.length === 1, "reply");
await refused(400, reply, "reply again");

check((await line.getMessageQuota()).type === "none", "quota");
check((await line.getMessageQuotaConsumption()).totalUsage >= 3, "consumption");
await steer("quota", { value: 1000 });
const quota = await line.getMessageQuota();
check(quota.type === "limited" && quota.value === 1000, "a limited quota");
await steer("quota", {});
const profile = await line.getProfile(friend);
check(profile.displayName === "LINE taro" && profile.language === "ja" && profile.userId === friend, "profile");
await refused(404, () => line.getProfile(`U${"9".repeat(32)}`), "the profile of nobody");
const first = await line.getFollowers(undefined, 1);
check(first.userIds.length === 1 && first.next, "friends, first page");
const rest = await line.getFollowers(first.next, 1000);
check(rest.userIds.length >= 1 && !rest.next && !rest.userIds.includes(first.userIds[0]), "friends, the rest");

console.log(`${checks} checks`);
