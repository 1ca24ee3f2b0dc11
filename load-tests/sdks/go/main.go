// LINE's own SDK for Go against the stand-in for LINE at ANSHIN_LINE_URL.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/line/line-bot-sdk-go/v8/linebot/channel_access_token"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/line/line-bot-sdk-go/v8/linebot/webhook"
)

var (
	lineURL = os.Getenv("ANSHIN_LINE_URL")
	id      = os.Getenv("ANSHIN_LINE_CHANNEL_ID")
	secret  = os.Getenv("ANSHIN_LINE_CHANNEL_SECRET")
	friend  = "U" + strings.Repeat("a", 32)
	other   = "U" + strings.Repeat("b", 32)
	writer  = "U" + strings.Repeat("c", 32)
	client  = &http.Client{Timeout: 10 * time.Second}
	checks  = 0
)

func check(fine bool, what string) {
	if !fine {
		fmt.Fprintln(os.Stderr, "not as it should be:", what)
		os.Exit(1)
	}
	checks++
}

func must[T any](value T, err error) T {
	if err != nil {
		check(false, err.Error())
	}
	return value
}

func refused(status int, answer *http.Response, err error, what string) *http.Response {
	check(err != nil && answer != nil && answer.StatusCode == status, fmt.Sprintf("%s: %v", what, err))
	return answer
}

func steer(path string, body any) {
	answer := must(client.Post(lineURL+"/_standin/"+path, "application/json", bytes.NewReader(must(json.Marshal(body)))))
	answer.Body.Close()
	check(answer.StatusCode/100 == 2, path)
}

func text(words string) []messaging_api.MessageInterface {
	return []messaging_api.MessageInterface{messaging_api.TextMessage{Text: words}}
}

func key() string {
	b := make([]byte, 16)
	must(rand.Read(b))
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// event waits for a webhook, by LINE's own check of signatures and its parser.
func event() webhook.MessageEvent {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	events := make(chan webhook.EventInterface, 1)
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
			events <- must(webhook.ParseRequest(secret, request)).Events[0]
		}))
	}()
	steer("webhook", map[string]any{
		"url":  fmt.Sprintf("http://%s/webhook", listener.Addr()),
		"user": writer,
		"what": map[string]any{"text": map[string]string{"message": "1", "text": "hello"}},
	})
	message, ok := (<-events).(webhook.MessageEvent)
	check(ok, "an event with a message")
	return message
}

func main() {
	check(must(url.Parse(lineURL)).Hostname() == "127.0.0.1", "never LINE itself")
	tokens := must(channel_access_token.NewChannelAccessTokenAPI(
		channel_access_token.WithEndpoint(lineURL), channel_access_token.WithHTTPClient(client)))
	issued := must(tokens.IssueStatelessChannelToken("client_credentials", "", "", id, secret))
	check(issued.TokenType == "Bearer" && issued.ExpiresIn > 0, "a token")
	answer, _, err := tokens.IssueStatelessChannelTokenWithHttpInfo("client_credentials", "", "", id, "wrong")
	refused(400, answer, err, "a wrong secret")
	api := func(token string) *messaging_api.MessagingApiAPI {
		return must(messaging_api.NewMessagingApiAPI(token, messaging_api.WithEndpoint(lineURL), messaging_api.WithHTTPClient(client)))
	}
	line := api(issued.AccessToken)
	answer, _, err = api("stranger").GetBotInfoWithHttpInfo()
	refused(401, answer, err, "a token that was not issued")
	check(strings.HasPrefix(must(line.GetBotInfo()).BasicId, "@"), "who we are")
	steer("people", []map[string]any{
		{"user": friend, "friend": true, "name": "LINE taro", "language": "ja"},
		{"user": other, "friend": true, "name": "LINE taro", "language": "ja"},
	})

	push, pushKey := &messaging_api.PushMessageRequest{To: friend, Messages: text("push")}, key()
	check(must(line.PushMessage(push, pushKey)).SentMessages[0].Id != "", "push")
	answer, _, err = line.PushMessageWithHttpInfo(push, pushKey)
	refused(409, answer, err, "push again")

	multicast := &messaging_api.MulticastRequest{To: []string{friend, other}, Messages: text("multicast")}
	multicastKey := key()
	answer, _, err = line.MulticastWithHttpInfo(multicast, multicastKey)
	check(err == nil && answer.Header.Get("x-line-request-id") != "", "multicast")
	accepted := answer.Header.Get("x-line-request-id")
	answer, _, err = line.MulticastWithHttpInfo(multicast, multicastKey)
	answer = refused(409, answer, err, "multicast again")
	check(answer.Header.Get("x-line-accepted-request-id") == accepted, "the request that was accepted")
	must(line.ValidateMulticast(&messaging_api.ValidateMessageRequest{Messages: text("validate")}))
	answer, _, err = line.ValidateMulticastWithHttpInfo(&messaging_api.ValidateMessageRequest{Messages: text(strings.Repeat("a", 5001))})
	answer = refused(400, answer, err, "too many words")
	var bad messaging_api.ErrorResponse
	check(json.Unmarshal(must(io.ReadAll(answer.Body)), &bad) == nil && bad.Details[0].Property == "messages[0].text", "what is wrong")

	message := event()
	words, ok := message.Message.(webhook.TextMessageContent)
	check(ok && words.Text == "hello", "a webhook")
	reply := &messaging_api.ReplyMessageRequest{ReplyToken: message.ReplyToken, Messages: text("reply")}
	check(len(must(line.ReplyMessage(reply)).SentMessages) == 1, "reply")
	answer, _, err = line.ReplyMessageWithHttpInfo(reply)
	refused(400, answer, err, "reply again")

	check(must(line.GetMessageQuota()).Type == messaging_api.QuotaType_NONE, "quota")
	check(must(line.GetMessageQuotaConsumption()).TotalUsage >= 3, "consumption")
	steer("quota", map[string]int{"value": 1000})
	quota := must(line.GetMessageQuota())
	check(quota.Type == messaging_api.QuotaType_LIMITED && quota.Value == 1000, "a limited quota")
	steer("quota", map[string]int{})
	profile := must(line.GetProfile(friend))
	check(profile.DisplayName == "LINE taro" && profile.Language == "ja" && profile.UserId == friend, "profile")
	answer, _, err = line.GetProfileWithHttpInfo("U" + strings.Repeat("9", 32))
	refused(404, answer, err, "the profile of nobody")
	first := must(line.GetFollowers("", 1))
	check(len(first.UserIds) == 1 && first.Next != "", "friends, first page")
	rest := must(line.GetFollowers(first.Next, 1000))
	check(len(rest.UserIds) >= 1 && rest.Next == "" && rest.UserIds[0] != first.UserIds[0], "friends, the rest")

	fmt.Printf("%d checks\n", checks)
}
