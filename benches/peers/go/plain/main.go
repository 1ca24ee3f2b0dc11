// A webhook server without LINE's SDK, written so that it leaves little to collect: pooled buffers and
// MACs, and only what is needed is parsed. One record to Kafka with acks=all, 200.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"sync"

	"anshin/benches/peers/go/peer"
)

type callback struct {
	Events []struct {
		Type           string `json:"type"`
		WebhookEventID string `json:"webhookEventId"`
		Timestamp      int64  `json:"timestamp"`
		Source         struct {
			UserID string `json:"userId"`
		} `json:"source"`
		Message struct {
			Type string `json:"type"`
			ID   string `json:"id"`
			Text string `json:"text"`
		} `json:"message"`
	} `json:"events"`
}

// verifier checks signatures with MACs that have their key already.
type verifier struct {
	macs sync.Pool
}

func newVerifier(secret string) *verifier {
	key := []byte(secret)
	return &verifier{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (v *verifier) holds(body []byte, signature string) bool {
	var given [sha256.Size + 2]byte
	if len(signature) != base64.StdEncoding.EncodedLen(sha256.Size) {
		return false
	}
	n, err := base64.StdEncoding.Decode(given[:], []byte(signature))
	if err != nil {
		return false
	}
	mac := v.macs.Get().(hash.Hash)
	defer v.macs.Put(mac)
	mac.Reset()
	mac.Write(body)
	var own [sha256.Size]byte
	return hmac.Equal(given[:n], mac.Sum(own[:0]))
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func main() {
	peer.Run(func(kafka *peer.Kafka, secret string) http.HandlerFunc {
		verifier := newVerifier(secret)
		return func(w http.ResponseWriter, r *http.Request) {
			body := buffers.Get().(*bytes.Buffer)
			defer buffers.Put(body)
			body.Reset()
			if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, peer.MaxBody)); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			if !verifier.holds(body.Bytes(), r.Header.Get("X-Line-Signature")) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			var callback callback
			if err := json.Unmarshal(body.Bytes(), &callback); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			if err := kafka.Append(r.Context(), visits(&callback)...); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusOK)
		}
	})
}

func visits(callback *callback) []peer.Visit {
	visits := make([]peer.Visit, 0, len(callback.Events))
	for i := range callback.Events {
		event := &callback.Events[i]
		if event.Type != "message" || event.Message.Type != "text" {
			continue
		}
		visits = append(visits, peer.Visit{
			Event:   event.WebhookEventID,
			User:    event.Source.UserID,
			Message: event.Message.ID,
			Text:    event.Message.Text,
			At:      event.Timestamp,
		})
	}
	return visits
}
