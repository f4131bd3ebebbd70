package attempt_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// startBank starts a sandbox bank that notices nobody, and returns it with a channel to it and a linked account.
func startBank(t *testing.T, clk *clock.Clock) (*bank.Server, *bankhttp.Channel, string) {
	t.Helper()
	keys, err := bank.GenerateKeys()
	must(t, err)
	server, err := bank.Start(
		t.Context(),
		bank.Config{Keys: keys, Clock: clk, Log: slog.New(slog.NewTextHandler(t.Output(), nil))},
	)
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	route, err := bankhttp.New(bankhttp.Config{
		BaseURL: server.URL(), Key: keys.Platform, BankKey: keys.Bank.Public(), Clock: clk,
		Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}},
	})
	must(t, err)
	seed := bank.SeedAccounts()[0]
	bound, err := route.Bind(t.Context(), channel.BindRequest{Number: seed.Number, HolderName: seed.HolderName})
	must(t, err)
	return server, route, bound.Token
}

// TestStoodStill: a process that stood still between the commit and the wire leaves the order to the sweeper, which
// finds that the bank has none. Sent late, the bank would book what was declined here.
func TestStoodStill(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		for name, stop := range map[string]bool{"in time": false, "stood still": true} {
			t.Run(name, func(t *testing.T) { stoodStill(t, db, stop) })
		}
	})
}

func stoodStill(t *testing.T, db *sqldb.DB, stop bool) {
	t.Helper()
	clk := &clock.Clock{}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, route, token := startBank(t, clk)
	committer := commit.New(db, clk, commit.Options{})
	jobs := job.New(committer, db, clk, log)
	attempts := attempt.New(attempt.Parts{
		Committer: committer, DB: db, Clock: clk, Log: log, Jobs: jobs, Channels: []channel.Channel{route},
	})
	terms := route.Capabilities()
	attempts.Register(channel.KindPayIn, attempt.Handler{
		Sent: func(attempt.Attempt) attempt.Step {
			return attempt.Step{Decide: func(*commit.Tx, attempt.Attempt) error {
				if stop {
					clk.Advance(terms.Timeout + time.Millisecond)
				}
				return nil
			}}
		},
		Settle: func(context.Context, attempt.Attempt) attempt.Step {
			return attempt.Step{Decide: func(*commit.Tx, attempt.Attempt) error { return nil }}
		},
	})
	must(t, committer.Start(t.Context()))
	t.Cleanup(committer.Close)
	now := clk.Now()
	try := attempt.Attempt{
		ID: id.New[id.Attempt](now), Kind: channel.KindPayIn, Subject: "top_1", Channel: terms.Name, BankToken: token,
		Amount: money.Amount{Minor: 1_00, Currency: "CNY"},
	}
	work := id.New[id.Job](now)
	must(t, committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
		return attempts.Start(tx, try, work)
	}))
	runJobs(t, jobs, db)
	booked, err := server.Booked(t.Context(), string(try.ID))
	must(t, err)
	got, err := attempts.Attempt(t.Context(), try.ID)
	must(t, err)
	if !stop {
		if booked != 1 || got.State != channel.AttemptSucceeded {
			t.Errorf("booked %d times, %s", booked, got.State)
		}
		return
	}
	if booked != 0 || got.State != channel.AttemptSent {
		t.Errorf("booked %d times, %s, want an order that was not sent", booked, got.State)
	}
	for range 20 {
		clk.Advance(5 * time.Minute)
		must(t, attempts.Sweep(t.Context()))
	}
	if got, err = attempts.Attempt(t.Context(), try.ID); err != nil || got.State != channel.AttemptNotBooked {
		t.Errorf("the sweeper left it %s, %v", got.State, err)
	}
}

// runJobs runs the jobs until none is left.
func runJobs(t *testing.T, jobs *job.Jobs, db *sqldb.DB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		jobs.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		must(t, db.Read.QueryRowContext(ctx, "SELECT count(*) FROM jobs").Scan(&left))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
