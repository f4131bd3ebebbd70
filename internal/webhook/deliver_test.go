package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/webhook"
)

// TestDeliver sends each endpoint what its filter wants, signed, as the list of events shows it.
func TestDeliver(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db)
		n.happen(t, "payment.succeeded", 3) // before there is an endpoint
		all, some, other := newSink(t, nil), newSink(t, nil), newSink(t, nil)
		e, secret := n.endpoint(t, all.URL+"/path?a=b")
		filtered, _ := n.endpoint(t, some.URL, "refund.*")
		_, _, err := n.Create(t.Context(), webhook.NewEndpoint{Merchant: "mer_other", URL: other.URL})
		must(t, err)
		events := append(n.happen(t, "payment.succeeded", 20), n.happen(t, "refund.succeeded", 5)...)
		calls := all.got(t, 25)
		stored, _, err := n.outbox.List(t.Context(), outbox.Query{Merchant: shop, Limit: 100})
		must(t, err)
		for _, event := range events {
			i := slices.IndexFunc(calls, func(c call) bool { return c.id() == event })
			if i < 0 {
				t.Fatalf("%s was not sent", event)
			}
			c := calls[i]
			must(t, verify(secret, c.header, c.body, time.Now()))
			if c.header.Get("Content-Type") != "application/json" || c.header.Get("Feiqian-Version") != e.APIVersion {
				t.Errorf("%v", c.header)
			}
			at := slices.IndexFunc(stored, func(e outbox.Event) bool { return e.ID == event })
			listed, err := json.Marshal(stored[at])
			must(t, err)
			if c.body != string(listed) {
				t.Errorf("polling and webhook tell different stories:\n%s\n%s", c.body, listed)
			}
		}
		for _, d := range n.logged(t, e, 25) {
			if d.State != webhook.Succeeded || d.Status != 204 || d.Attempt != 1 || d.Cause != webhook.CauseEvent ||
				!d.NextAt.IsZero() || d.Endpoint != e.ID {
				t.Errorf("%+v", d)
			}
		}
		n.logged(t, filtered, 5)
		if len(some.all()) != 5 || len(other.all()) != 0 || len(all.all()) != 25 {
			t.Errorf("%d %d %d calls", len(all.all()), len(some.all()), len(other.all()))
		}
		if n.count(t, "SELECT count(*) FROM webhook_retries") != 0 {
			t.Error("retries are left")
		}
	})
}

// TestRetry tries again at the published times, on the moved clock, and not before.
func TestRetry(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db)
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "broken: \x00\xff "+strings.Repeat("z", 1000), http.StatusInternalServerError)
		})
		e, _ := n.endpoint(t, s.URL)
		n.happen(t, "payment.succeeded", 1)
		waits := webhook.Waits()
		for try := 1; try <= len(waits)+1; try++ {
			list := n.logged(t, e, try)
			d := list[0]
			if d.State != webhook.Failed || d.Status != 500 || d.Attempt != int64(try) || d.Cause != webhook.CauseEvent ||
				len(d.Answer) > webhook.AnswerKept || !strings.HasPrefix(d.Answer, "broken: ") {
				t.Errorf("try %d: %+v", try, d)
			}
			if try > len(waits) {
				if !d.NextAt.IsZero() {
					t.Errorf("a try behind the last: %+v", d)
				}
				break
			}
			if got := d.NextAt.Sub(d.CreatedAt); got != waits[try-1] {
				t.Errorf("try %d: again after %v, want %v", try, got, waits[try-1])
			}
			n.clock.Advance(waits[try-1] - 4*time.Second)
			time.Sleep(500 * time.Millisecond)
			if len(n.log(t, e)) != try {
				t.Fatalf("try %d came too early", try+1)
			}
			n.clock.Advance(4 * time.Second)
		}
		if n.count(t, "SELECT count(*) FROM webhook_retries") != 0 {
			t.Error("a retry is left behind the last try")
		}
		if now := n.is(t, e, webhook.Enabled, ""); now.FailingSince.IsZero() {
			t.Error("nobody is told that it fails")
		}
	})
}

// TestRetry_day answers 500 for a day, then gets everything.
func TestRetry_day(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db)
		var well atomic.Bool
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			if !well.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		e, _ := n.endpoint(t, s.URL)
		for hour := range 24 {
			n.happen(t, "payment.succeeded", 2)
			n.logged1(t, e, 2*(hour+1))
			n.clock.Advance(time.Hour)
		}
		well.Store(true)
		n.clock.Advance(24 * time.Hour)
		eventually(t, func() bool { return n.count(t, "SELECT count(*) FROM webhook_retries") == 0 },
			func() string { return "retries are left" })
		delivered := map[id.Event]int{}
		for _, d := range n.log(t, e) {
			if d.State == webhook.Succeeded {
				delivered[d.Event]++
			}
		}
		if len(delivered) != 48 {
			t.Errorf("%d of 48 events were delivered", len(delivered))
		}
		for event, times := range delivered {
			if times != 1 {
				t.Errorf("%s was delivered %d times", event, times)
			}
		}
		if now := n.is(t, e, webhook.Enabled, ""); !now.FailingSince.IsZero() {
			t.Errorf("it fails since %v", now.FailingSince)
		}
	})
}

// logged1 waits until so many events were tried at least once.
func (n *node) logged1(t *testing.T, e webhook.Endpoint, events int) {
	t.Helper()
	eventually(t, func() bool {
		tried := map[id.Event]bool{}
		for _, d := range n.log(t, e) {
			tried[d.Event] = true
		}
		return len(tried) >= events
	}, func() string { return "a first try" })
}

// TestEnd disables an endpoint that answers 410, and one that fails for days, and tells the merchant.
func TestEnd(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n, notices := start(t, db), newSink(t, nil)
		n.endpoint(t, notices.URL, "webhook_endpoint.*")
		var status atomic.Int64
		status.Store(http.StatusGone)
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
		e, _ := n.endpoint(t, s.URL, "payment.*")
		n.happen(t, "payment.succeeded", 1)
		n.is(t, e, webhook.Disabled, webhook.Gone)
		n.logged(t, e, 1)
		told := notices.got(t, 1)[0].body
		if !strings.Contains(told, `"kind":"webhook_endpoint.disabled"`) || !strings.Contains(told, string(e.ID)) ||
			!strings.Contains(told, `"disabled_reason":"gone"`) {
			t.Errorf("the merchant was told %s", told)
		}
		missed := n.happen(t, "payment.succeeded", 3)
		time.Sleep(600 * time.Millisecond)
		if len(s.all()) != 1 {
			t.Errorf("%d calls to a disabled endpoint", len(s.all()))
		}
		_, err := n.Disable(t.Context(), shop, e.ID, webhook.ByMerchant)
		refused(t, err, "webhook.state_conflict")
		_, err = n.Resend(t.Context(), shop, e.ID, missed[0])
		refused(t, err, "webhook.endpoint_disabled")
		_, err = n.Replay(t.Context(), shop, e.ID, webhook.Replay{From: n.clock.Now().Add(-time.Hour)})
		refused(t, err, "webhook.endpoint_disabled")

		// Enabled again with what it missed, it fails for five days.
		status.Store(http.StatusInternalServerError)
		_, err = n.Enable(t.Context(), shop, e.ID, true)
		must(t, err)
		n.logged(t, e, 5) // the one that was answered with 410 was not delivered
		for _, d := range []int{24, 24, 24, 24, 23} {
			n.clock.Advance(time.Duration(d) * time.Hour)
			seen := len(n.log(t, e))
			n.happen(t, "payment.succeeded", 1)
			eventually(t, func() bool { return len(n.log(t, e)) > seen }, func() string { return "a try" })
			n.is(t, e, webhook.Enabled, "")
		}
		n.clock.Advance(2 * time.Hour)
		n.happen(t, "payment.succeeded", 1)
		n.is(t, e, webhook.Disabled, webhook.Failing)

		// Enabled once more, it begins with what comes.
		status.Store(http.StatusOK)
		_, err = n.Enable(t.Context(), shop, e.ID, false)
		must(t, err)
		_, err = n.Enable(t.Context(), shop, e.ID, false)
		refused(t, err, "webhook.state_conflict")
		fresh := n.happen(t, "payment.succeeded", 1)[0]
		eventually(t, func() bool {
			return slices.ContainsFunc(s.all(), func(c call) bool { return c.id() == fresh })
		}, func() string { return "the fresh event" })
	})
}

// TestEndless has one endpoint that hangs and one that redirects beside a good one, which is not held up.
func TestEndless(t *testing.T) {
	t.Parallel()
	n := start(t, sqldbtest.Open(t, "sqlite"))
	over := make(chan struct{})
	hangs := newSink(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	good, away := newSink(t, nil), newSink(t, nil)
	t.Cleanup(func() { close(over) })
	redirects := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, away.URL, http.StatusTemporaryRedirect)
	})
	slow := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for range 50 {
			_, _ = w.Write([]byte("drip "))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	hanging, _ := n.endpoint(t, hangs.URL)
	redirecting, _ := n.endpoint(t, redirects.URL)
	dripping, _ := n.endpoint(t, slow.URL)
	n.endpoint(t, good.URL)
	begun := time.Now()
	n.happen(t, "payment.succeeded", 50)
	good.got(t, 50)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the good endpoint waited %v for others", took)
	}
	d := n.logged(t, redirecting, 50)[0]
	if d.State != webhook.Failed || d.Status != 307 || d.Problem != webhook.Redirected || len(away.all()) != 0 {
		t.Errorf("%+v, %d calls where it leads", d, len(away.all()))
	}
	eventually(t, func() bool { return len(n.log(t, dripping)) > 0 }, func() string { return "an answer that drips" })
	if d := n.log(t, dripping)[0]; d.State != webhook.Succeeded || d.DurationMS > 5000 {
		t.Errorf("%+v", d)
	}
	eventually(t, func() bool { return len(n.log(t, hanging)) > 0 }, func() string { return "a time-out" })
	if d := n.log(t, hanging)[0]; d.State != webhook.Failed || d.Problem != webhook.Timeout || d.Status != 0 ||
		d.DurationMS < 14_000 {
		t.Errorf("%+v", d)
	}
}

// TestLarge sends an event above 20 kB without its data.
func TestLarge(t *testing.T) {
	t.Parallel()
	n, s := start(t, sqldbtest.Open(t, "sqlite")), newSink(t, nil)
	_, secret := n.endpoint(t, s.URL)
	must(t, n.Committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
		return n.outbox.Add(tx, outbox.Event{Kind: "payment.succeeded", Merchant: shop, Subject: "pay_1"},
			map[string]string{"id": "pay_1", "note": strings.Repeat("é", 15_000)})
	}))
	c := s.got(t, 1)[0]
	must(t, verify(secret, c.header, c.body, time.Now()))
	var got struct {
		ID      string    `json:"id"`
		Subject string    `json:"subject"`
		Data    *struct{} `json:"data"`
		Omitted bool      `json:"data_omitted"`
	}
	must(t, json.Unmarshal([]byte(c.body), &got))
	if len(c.body) > webhook.PayloadMax || !got.Omitted || got.Data != nil || got.ID != string(c.id()) ||
		got.Subject != "pay_1" {
		t.Errorf("%d bytes: %.200s", len(c.body), c.body)
	}
}

// TestResend sends one event once more, whatever became of it, and a range with a filter.
func TestResend(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := start(t, db)
		var broken atomic.Bool
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			if broken.Load() {
				w.WriteHeader(http.StatusBadGateway)
			}
		})
		e, _ := n.endpoint(t, s.URL)
		early := n.clock.Now()
		n.happen(t, "refund.succeeded", 1)
		n.clock.Advance(time.Minute)
		from := n.clock.Now()
		first := n.happen(t, "payment.succeeded", 3)
		n.logged(t, e, 4)
		queued, err := n.Resend(t.Context(), shop, e.ID, first[1])
		must(t, err)
		d := n.logged(t, e, 5)[0]
		if queued.Queued != 1 || d.Event != first[1] || d.Cause != webhook.CauseResend || d.Attempt != 1 {
			t.Errorf("%+v %+v", queued, d)
		}
		_, err = n.Resend(t.Context(), shop, e.ID, id.New[id.Event](n.clock.Now()))
		refused(t, err, "outbox.not_found")
		_, err = n.Resend(t.Context(), "mer_other", e.ID, first[1])
		refused(t, err, "webhook.endpoint_not_found")

		broken.Store(true)
		failed := n.happen(t, "payment.expired", 2)
		n.logged(t, e, 7)
		broken.Store(false)
		for _, test := range []struct {
			replay webhook.Replay
			want   int
		}{
			{webhook.Replay{From: from, To: n.clock.Now(), UndeliveredOnly: true}, 2},
			{webhook.Replay{From: from, UndeliveredOnly: true}, 0},
			{webhook.Replay{From: from}, 5},
			{webhook.Replay{From: early}, 6},
			{webhook.Replay{From: early, To: from}, 1},
			{webhook.Replay{From: early, Kinds: []string{"payment.*"}}, 5},
		} {
			before := len(n.log(t, e))
			queued, err := n.Replay(t.Context(), shop, e.ID, test.replay)
			must(t, err)
			if queued.Queued != test.want || !queued.Complete {
				t.Errorf("%+v: %+v", test.replay, queued)
			}
			n.logged(t, e, before+test.want)
		}
		if d := n.log(t, e)[0]; d.Cause != webhook.CauseReplay || d.State != webhook.Succeeded {
			t.Errorf("%+v", d)
		}
		if n.count(t, "SELECT count(*) FROM webhook_retries") != 0 {
			t.Errorf("retries are left of %v", failed)
		}
		_, err = n.Replay(t.Context(), shop, e.ID, webhook.Replay{From: n.clock.Now().Add(time.Hour)})
		refused(t, err, "webhook.bad_range")
		_, err = n.Replay(t.Context(), shop, e.ID, webhook.Replay{From: early, Kinds: []string{"x"}})
		refused(t, err, "webhook.bad_kind")
	})
}

// TestRetryAfter waits as long as the endpoint asks, where that is longer than the table.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	n := start(t, sqldbtest.Open(t, "sqlite"))
	for after, want := range map[string]time.Duration{
		"3600": time.Hour, "1": 5 * time.Second, "-5": 5 * time.Second, "soon": 5 * time.Second, "99999999999": 24 * time.Hour,
		"604800": 24 * time.Hour,
	} {
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		e, _ := n.endpoint(t, s.URL, "payment.*")
		n.happen(t, "payment.succeeded", 1)
		n.logged1(t, e, 1)
		d := n.log(t, e)
		if got := d[0].NextAt.Sub(d[0].CreatedAt); got != want {
			t.Errorf("Retry-After %s: %v, want %v", after, got, want)
		}
		must(t, n.Delete(t.Context(), shop, e.ID))
	}
}

// TestTest sends a made-up event, also to an endpoint that is disabled.
func TestTest(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n, s := newNode(t, db, keysIn(t)), newSink(t, nil)
		e, secret := n.endpoint(t, s.URL)
		_, err := n.Disable(t.Context(), shop, e.ID, webhook.ByMerchant)
		must(t, err)
		d, err := n.Test(t.Context(), shop, e.ID)
		must(t, err)
		c := s.got(t, 1)[0]
		must(t, verify(secret, c.header, c.body, time.Now()))
		if d.State != webhook.Succeeded || d.Kind != "webhook.test" || d.Cause != webhook.CauseTest ||
			!strings.Contains(c.body, `"kind":"webhook.test"`) {
			t.Errorf("%+v %s", d, c.body)
		}
		if list := n.log(t, e); len(list) != 1 || list[0] != d {
			t.Errorf("the log is %+v, want %+v", list, d)
		}
		// A closed port is told as such, without any word of the operator's network.
		s.Close()
		d, err = n.Test(t.Context(), shop, e.ID)
		must(t, err)
		if d.State != webhook.Failed || d.Problem != webhook.Unreachable || d.Status != 0 {
			t.Errorf("%+v", d)
		}
		_, err = n.Test(t.Context(), "mer_other", e.ID)
		refused(t, err, "webhook.endpoint_not_found")
	})
}

// TestForget removes what is old from the log.
func TestForget(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n, s := newNode(t, db, keysIn(t)), newSink(t, nil)
		e, _ := n.endpoint(t, s.URL)
		_, err := n.Test(t.Context(), shop, e.ID)
		must(t, err)
		n.clock.Advance(29 * 24 * time.Hour)
		_, err = n.Test(t.Context(), shop, e.ID)
		must(t, err)
		must(t, n.Forget(t.Context()))
		if got := len(n.log(t, e)); got != 2 {
			t.Errorf("%d deliveries", got)
		}
		n.clock.Advance(2 * 24 * time.Hour)
		must(t, n.Forget(t.Context()))
		if got := len(n.log(t, e)); got != 1 {
			t.Errorf("%d deliveries", got)
		}
	})
}

// TestNodes runs three nodes; one dies as by kill -9. Every event arrives, and while no node dies each one once.
func TestNodes(t *testing.T) {
	t.Parallel()
	url, keys := sqldbtest.URL(t, "postgres"), keysIn(t)
	nodes := make([]*node, 3)
	sinks := make([]*sink, 6)
	for i := range nodes {
		db, err := sqldb.Open(t.Context(), url)
		must(t, err)
		t.Cleanup(db.Close)
		nodes[i] = newNode(t, db, keys)
	}
	for i := range sinks {
		sinks[i] = newSink(t, nil)
		nodes[0].endpoint(t, fmt.Sprintf("%s/%d", sinks[i].URL, i))
	}
	for _, n := range nodes {
		n.deliver(t)
	}
	var events []id.Event
	for range 20 {
		for _, n := range nodes {
			events = append(events, n.happen(t, "payment.succeeded", 2)...)
		}
	}
	for _, s := range sinks {
		if calls := s.got(t, len(events)); len(calls) != len(events) {
			t.Errorf("%d calls for %d events", len(calls), len(events))
		}
	}
	// The database goes away under one node: what it holds, it can neither write nor give back.
	eventually(
		t,
		func() bool { return nodes[0].count(t, "SELECT count(*) FROM webhook_retries") == 0 },
		func() string { return "rest" },
	)
	nodes[2].db.Close()
	for _, n := range nodes[:2] {
		events = append(events, n.happen(t, "payment.expired", 20)...)
	}
	for i, s := range sinks {
		eventually(t, func() bool {
			got := map[id.Event]bool{}
			for _, c := range s.all() {
				got[c.id()] = true
			}
			return len(got) == len(events)
		}, func() string {
			return fmt.Sprintf("endpoint %d misses events: %d calls for %d", i, len(s.all()), len(events))
		})
	}
}
