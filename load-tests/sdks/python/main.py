"""LINE's own SDK for Python against the stand-in for LINE at ANSHIN_LINE_URL."""

import json
import os
import threading
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

from linebot.v3 import WebhookParser
from linebot.v3 import messaging, oauth

url = os.environ["ANSHIN_LINE_URL"]
channel_id, secret = os.environ["ANSHIN_LINE_CHANNEL_ID"], os.environ["ANSHIN_LINE_CHANNEL_SECRET"]
assert urlsplit(url).hostname == "127.0.0.1", "never LINE itself"
friend, other, writer = ("U" + digit * 32 for digit in "abc")
checks = 0


def check(fine, what):
    global checks
    assert fine, what
    checks += 1


def refused(status, call, what, errors=messaging.exceptions.ApiException):
    try:
        call()
    except errors as error:
        check(error.status == status, f"{what}: {error.status} instead of {status}")
        return error
    raise AssertionError(f"{what}: it was accepted")


def header(headers, name):
    return {key.lower(): value for key, value in headers.items()}.get(name)


def steer(path, body):
    request = urllib.request.Request(
        f"{url}/_standin/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def text(words):
    return [messaging.TextMessage(text=words)]


tokens = oauth.ChannelAccessToken(oauth.ApiClient(oauth.Configuration(host=url)))


def issue(with_secret):
    return tokens.issue_stateless_channel_token_by_client_secret(channel_id, with_secret)


issued = issue(secret)
check(issued.token_type == "Bearer" and issued.expires_in > 0, "a token")
refused(400, lambda: issue("wrong"), "a wrong secret", oauth.exceptions.ApiException)


def client(token):
    return messaging.MessagingApi(messaging.ApiClient(messaging.Configuration(host=url, access_token=token)))


line = client(issued.access_token)
refused(401, client("stranger").get_bot_info, "a token that was not issued")
check(line.get_bot_info().basic_id.startswith("@"), "who we are")
steer("people", [{"user": user, "friend": True, "name": "LINE taro", "language": "ja"} for user in (friend, other)])

push_key = str(uuid.uuid4())


def push():
    return line.push_message(messaging.PushMessageRequest(to=friend, messages=text("push")), push_key)


check(push().sent_messages[0].id, "push")
refused(409, push, "push again")

key = str(uuid.uuid4())


def multicast():
    request = messaging.MulticastRequest(to=[friend, other], messages=text("multicast"))
    return line.multicast_with_http_info(request, key)


accepted = header(multicast().headers, "x-line-request-id")
check(accepted, "multicast")
again = refused(409, multicast, "multicast again")
check(header(again.headers, "x-line-accepted-request-id") == accepted, "the request that was accepted")
line.validate_multicast(messaging.ValidateMessageRequest(messages=text("validate")))
too_long = messaging.ValidateMessageRequest(messages=text("a" * 5001))
details = refused(400, lambda: line.validate_multicast(too_long), "too many words")
check(json.loads(details.body)["details"][0]["property"] == "messages[0].text", "what is wrong")

# A webhook, by LINE's own check of signatures and its parser.
events = []


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        events.extend(WebhookParser(secret).parse(body, self.headers["X-Line-Signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Webhook)
threading.Thread(target=server.serve_forever, daemon=True).start()
webhook = f"http://127.0.0.1:{server.server_port}/webhook"
steer("webhook", {"url": webhook, "user": writer, "what": {"text": {"message": "1", "text": "hello"}}})
server.shutdown()
check([event.message.text for event in events] == ["hello"], "a webhook")


def reply():
    return line.reply_message(messaging.ReplyMessageRequest(replyToken=events[0].reply_token, messages=text("reply")))


check(len(reply().sent_messages) == 1, "reply")
refused(400, reply, "reply again")

check(line.get_message_quota().type == "none", "quota")
check(line.get_message_quota_consumption().total_usage >= 3, "consumption")
steer("quota", {"value": 1000})
quota = line.get_message_quota()
check(quota.type == "limited" and quota.value == 1000, "a limited quota")
steer("quota", {})
profile = line.get_profile(friend)
check((profile.display_name, profile.language, profile.user_id) == ("LINE taro", "ja", friend), "profile")
refused(404, lambda: line.get_profile("U" + "9" * 32), "the profile of nobody")
first = line.get_followers(limit=1)
check(len(first.user_ids) == 1 and first.next, "friends, first page")
rest = line.get_followers(start=first.next, limit=1000)
check(rest.user_ids and not rest.next and first.user_ids[0] not in rest.user_ids, "friends, the rest")

print(f"{checks} checks")
