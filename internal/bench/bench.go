// Package bench measures an instance as its callers see it: closed-loop clients over HTTP on
// loopback against a server process of its own and a fresh database; afterwards the books are
// verified.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Options say what to measure.
type Options struct {
	Scenario string
	Clients  int
	Duration time.Duration
	// Database is where to make the fresh database: sqlite:, or a PostgreSQL URL whose user may create
	// databases.
	Database string
	// Preload stores so many payments first, to see whether cost grows with history.
	Preload int
	// Webhooks is a backlog of events that the server delivers to a sink in this process meanwhile; the scenario
	// webhook-backlog does nothing else.
	Webhooks int
	// Profile is a file for the server's CPU profile; "" for none.
	Profile string
	// Progress gets a line now and then; nil for none.
	Progress io.Writer
}

// Result is what was measured. Payments are acts of the scenario answered well.
type Result struct {
	Scenario          string  `json:"scenario"`
	Database          string  `json:"database"`
	Clients           int     `json:"clients"`
	Preloaded         int     `json:"preloaded"`
	Seconds           float64 `json:"seconds"`
	Payments          int64   `json:"payments"`
	PaymentsPerSecond float64 `json:"payments_per_second"`
	P50               float64 `json:"p50_ms"`
	P95               float64 `json:"p95_ms"`
	P99               float64 `json:"p99_ms"`
	Max               float64 `json:"max_ms"`
	Errors            int64   `json:"errors"`
	FirstError        string  `json:"first_error,omitempty"`
	GroupMean         float64 `json:"group_mean"`
	CPU               CPU     `json:"cpu"`
	ServerMemoryMiB   float64 `json:"server_memory_mib"`
	Verified          bool    `json:"verified"`
	// Webhooks is what the sink got in the measured seconds.
	Webhooks          int64   `json:"webhooks,omitempty"`
	WebhooksPerSecond float64 `json:"webhooks_per_second,omitempty"`
}

// CPU splits the processor time of the measured seconds: cores kept busy by each part, and microseconds a payment.
type CPU struct {
	Server   Share `json:"server"`
	Database Share `json:"database"`
	Clients  Share `json:"clients"`
}

// Share is one part's processor time.
type Share struct {
	Cores        float64 `json:"cores"`
	MicrosPerAct float64 `json:"us_per_payment"`
}

// Scenarios lists what can be measured.
func Scenarios() []string {
	return []string{"code-payment", "confirm", "transfer", "topup", webhookBacklog}
}

// Run measures one scenario. Errors: a server that does not start, or books that do not verify.
func Run(ctx context.Context, o Options) (Result, error) {
	if !slices.Contains(Scenarios(), o.Scenario) {
		return Result{}, fmt.Errorf("there is no scenario %q; choose one of %v", o.Scenario, Scenarios())
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	place, err := newPlace(ctx, o.Database)
	if err != nil {
		return Result{}, err
	}
	defer place.close()
	if o.Scenario == webhookBacklog && o.Webhooks == 0 {
		o.Webhooks = webhooksDefault
	}
	sink, err := newSink(ctx)
	if err != nil {
		return Result{}, err
	}
	defer sink.close()
	people, err := prepare(ctx, place, o, sink)
	if err != nil {
		return Result{}, fmt.Errorf("prepare the bench: %w", err)
	}
	server, err := startServer(ctx, place, o.Profile)
	if err != nil {
		return Result{}, err
	}
	defer server.stop()
	var result Result
	if o.Scenario == webhookBacklog {
		result, err = sink.drain(ctx, o, server)
	} else {
		result, err = measure(ctx, o, server, people, sink)
	}
	if err != nil {
		return result, err
	}
	server.stop()
	result.Database = place.engine
	result.Preloaded = o.Preload
	return result, verify(ctx, place, &result)
}

func verify(ctx context.Context, place *place, result *Result) error {
	db, err := sqldb.Connect(ctx, place.url)
	if err != nil {
		return err
	}
	defer db.Close()
	report, err := ledger.Verify(ctx, db, ledger.VerifyOptions{})
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("the books do not hold after the run: %s %s: %s",
			report.Failures[0].Check, report.Failures[0].Subject, report.Failures[0].Message)
	}
	result.Verified = true
	return nil
}

// sample is what one client saw.
type sample struct {
	took   []int64 // microseconds
	errors int64
	first  error
}

const warmUp = 2 * time.Second

// measure runs the clients in closed loop: each sends its next act when the last one is answered. The warm-up is
// not counted.
func measure(ctx context.Context, o Options, server *server, people *people, sink *sink) (Result, error) {
	samples := make([]sample, o.Clients)
	var counting, over atomic.Bool
	var clients sync.WaitGroup
	for i := range samples {
		act, err := people.actor(ctx, o.Scenario, i, o.Clients, server)
		if err != nil {
			return Result{}, err
		}
		clients.Go(func() {
			defer act.close()
			for !over.Load() && ctx.Err() == nil {
				samples[i].run(act, &counting)
			}
		})
	}
	sleep(ctx, warmUp)
	before, groups, webhooks := server.usage(), server.groups(ctx), sink.got.Load()
	counting.Store(true)
	begun := time.Now()
	sleep(ctx, o.Duration)
	counting.Store(false)
	elapsed, webhooks := time.Since(begun), sink.got.Load()-webhooks
	after, groupsAfter := server.usage(), server.groups(ctx)
	over.Store(true)
	clients.Wait()
	result := summarize(samples, elapsed)
	result.Scenario, result.Clients = o.Scenario, o.Clients
	result.CPU = cpuOf(before, after, elapsed, result.Payments)
	result.ServerMemoryMiB = after.memoryMiB
	result.Webhooks, result.WebhooksPerSecond = webhooks, float64(webhooks)/elapsed.Seconds()
	if n := groupsAfter.groups - groups.groups; n > 0 {
		result.GroupMean = (groupsAfter.decisions - groups.decisions) / n
	}
	return result, ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *sample) run(act actor, counting *atomic.Bool) {
	begun := time.Now()
	err := act.do()
	took := time.Since(begun)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	if err != nil {
		s.errors++
		if s.first == nil {
			s.first = err
		}
		return
	}
	if counting.Load() {
		s.took = append(s.took, took.Microseconds())
	}
}

// summarize sorts all times and reads the percentiles.
func summarize(samples []sample, elapsed time.Duration) Result {
	var (
		all    []int64
		result Result
	)
	for _, s := range samples {
		all = append(all, s.took...)
		result.Errors += s.errors
		if s.first != nil && result.FirstError == "" {
			result.FirstError = s.first.Error()
		}
	}
	slices.Sort(all)
	at := func(percent int) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[min(len(all)*percent/100, len(all)-1)]) / 1000
	}
	result.Seconds = elapsed.Seconds()
	result.Payments = int64(len(all))
	result.PaymentsPerSecond = float64(len(all)) / elapsed.Seconds()
	result.P50, result.P95, result.P99, result.Max = at(50), at(95), at(99), at(100)
	return result
}
