// Package peer is what both servers have in common: how they are told where they listen and where
// records go, and when a record counts.
package peer

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MaxBody is the largest body that is read, in bytes.
const MaxBody = 1 << 20

// Visit is a record.
type Visit struct {
	Event   string `json:"event"`
	User    string `json:"user"`
	Message string `json:"message"`
	Text    string `json:"text"`
	At      int64  `json:"at"`
}

// Kafka is where records go.
type Kafka struct {
	client *kgo.Client
}

// Append returns once every in-sync replica has the visits.
func (k *Kafka) Append(ctx context.Context, visits ...Visit) error {
	records := make([]*kgo.Record, 0, len(visits))
	for i := range visits {
		value, err := json.Marshal(&visits[i])
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{Key: []byte(visits[i].User), Value: value})
	}
	return k.client.ProduceSync(ctx, records...).FirstErr()
}

// Run serves `POST /webhook` until it is told to end. It says on standard output what it is made of,
// once it serves.
func Run(webhook func(kafka *Kafka, secret string) http.HandlerFunc) {
	listen := flag.String("listen", "", "`address` to listen on")
	brokers := flag.String("kafka", "", "`host:port` of some brokers")
	topic := flag.String("topic", "", "`topic` of the records")
	flag.Parse()
	if err := run(*listen, *brokers, *topic, webhook); err != nil {
		log.Fatal(err)
	}
}

func run(listen, brokers, topic string, webhook func(*Kafka, string) http.HandlerFunc) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.DefaultProduceTopic(topic),
		// The default; what is measured rests on it.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// As everybody here.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// The default, 10 ms, is for throughput that nobody waits for.
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("brokers at %s: %w", brokers, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", webhook(&Kafka{client}, os.Getenv("ANSHIN_BENCH_CHANNEL_SECRET")))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println(madeOf())
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// madeOf names the toolchain and the modules that matter, with their versions.
func madeOf() string {
	parts := []string{strings.Replace(runtime.Version(), "go", "Go ", 1)}
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if strings.Contains(module.Path, "line-bot-sdk-go") || module.Path == "github.com/twmb/franz-go" {
			parts = append(parts, strings.TrimPrefix(module.Path, "github.com/")+" "+module.Version)
		}
	}
	return strings.Join(parts, ", ")
}
