package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/webhook"
)

const (
	webhookBacklog  = "webhook-backlog"
	webhooksDefault = 100_000
	webhookShops    = 33 // the first one has half of the backlog, the others share the rest
	sinkLook        = 5 * time.Millisecond
)

// sink is the merchants' server: it counts what it gets.
type sink struct {
	listener net.Listener
	server   *http.Server
	got      atomic.Int64
}

func newSink(ctx context.Context) (*sink, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	s := &sink{listener: listener}
	s.server = &http.Server{
		ReadHeaderTimeout: answerWait,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			s.got.Add(1)
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func (s *sink) close() { _ = s.server.Close() }

// backlog stores n events of merchants with endpoints at the sink, before the server starts.
func (s *sink) backlog(ctx context.Context, a *app.App, n int) error {
	if n == 0 {
		return nil
	}
	shops := make([]id.Merchant, webhookShops)
	for i := range shops {
		shops[i] = id.New[id.Merchant](a.Clock.Now())
		if _, _, err := a.Webhooks.Create(ctx, webhook.NewEndpoint{
			Merchant: shops[i], URL: "http://" + s.listener.Addr().String() + "/" + strconv.Itoa(i),
		}); err != nil {
			return err
		}
	}
	return each(ctx, n, func(ctx context.Context, i int) error {
		shop := shops[0]
		if i%2 == 1 {
			shop = shops[1+i/2%(webhookShops-1)]
		}
		subject := string(id.New[id.Payment](a.Clock.Now()))
		return a.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
			return a.Webhooks.Outbox.Add(tx, outbox.Event{Kind: "payment.succeeded", Merchant: shop, Subject: subject},
				map[string]any{
					"id": subject, "merchant_id": shop, "amount": 1999, "currency": currency, "state": "succeeded",
					"description": "Tea for two", "created_at": tx.Now(), "reference": "order-" + strconv.Itoa(i),
				})
		})
	})
}

// drain waits until the sink has the backlog. An event that comes twice is counted twice: no node dies here.
func (s *sink) drain(ctx context.Context, o Options, server *server) (Result, error) {
	begun, before, first := time.Now(), server.usage(), s.got.Load()
	for s.got.Load() < int64(o.Webhooks) && ctx.Err() == nil {
		sleep(ctx, sinkLook)
	}
	elapsed, after := time.Since(begun), server.usage()
	n := s.got.Load() - first
	return Result{
		Scenario: o.Scenario, Seconds: elapsed.Seconds(), Webhooks: n, WebhooksPerSecond: float64(n) / elapsed.Seconds(),
		CPU: cpuOf(before, after, elapsed, n), ServerMemoryMiB: after.memoryMiB,
	}, ctx.Err()
}
