// A webhook server on LINE's SDK: verify and parse, one record to Kafka with acks=all, 200.
package main

import (
	"errors"
	"net/http"

	"github.com/line/line-bot-sdk-go/v8/linebot/webhook"

	"anshin/benches/peers/go/peer"
)

func main() {
	peer.Run(func(kafka *peer.Kafka, secret string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, peer.MaxBody)
			callback, err := webhook.ParseRequest(secret, r)
			if errors.Is(err, webhook.ErrInvalidSignature) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			if err := kafka.Append(r.Context(), visits(callback.Events)...); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusOK)
		}
	})
}

func visits(events []webhook.EventInterface) []peer.Visit {
	visits := make([]peer.Visit, 0, len(events))
	for _, event := range events {
		event, ok := event.(webhook.MessageEvent)
		if !ok {
			continue
		}
		message, text := event.Message.(webhook.TextMessageContent)
		source, user := event.Source.(webhook.UserSource)
		if !text || !user {
			continue
		}
		visits = append(visits, peer.Visit{
			Event:   event.WebhookEventId,
			User:    source.UserId,
			Message: message.Id,
			Text:    message.Text,
			At:      event.Timestamp,
		})
	}
	return visits
}
