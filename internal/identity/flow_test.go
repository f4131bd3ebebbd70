package identity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdimage "image"
	"image/png"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/identity/authorityhttp"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

// node is one node of an instance, with or without workers.
type node struct {
	*identity.Identities
	parties *party.Parties
	jobs    *job.Jobs
	db      *sqldb.DB
	clock   *clock.Clock
}

// outside is the sandbox's authority with the ways to it.
type outside struct {
	*authority.Server
	verifiers []identity.Verifier
}

func startOutside(t *testing.T, clk *clock.Clock) outside {
	t.Helper()
	keys, err := authority.GenerateKeys()
	must(t, err)
	server, err := authority.Start(t.Context(), authority.Config{Keys: keys, Clock: clk, SlowAnswer: 50 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	out := outside{Server: server}
	for _, channel := range identity.Channels() {
		v, err := authorityhttp.New(authorityhttp.Config{
			Channel: channel, BaseURL: server.URL(), Key: keys.Platform, AuthorityKey: keys.Authority.Public(), Clock: clk,
			Client: &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}},
		})
		must(t, err)
		out.verifiers = append(out.verifiers, v)
	}
	return out
}

func startNode(t *testing.T, db *sqldb.DB, keyFile string, clk *clock.Clock, verifiers ...identity.Verifier) *node {
	t.Helper()
	v, err := vault.OpenOrCreate(keyFile)
	must(t, err)
	c := commit.New(db, clk, commit.Options{})
	events := outbox.New(c, db)
	log := slog.New(slog.DiscardHandler)
	n := &node{db: db, clock: clk, jobs: job.New(c, db, clk, log), parties: party.New(c, db, clk)}
	n.Identities = identity.New(identity.Parts{
		Committer: c, DB: db, Clock: clk, Log: log, Vault: v, Jobs: n.jobs, Outbox: events, Parties: n.parties, Zone: shanghai,
	})
	n.Register(verifiers...)
	must(t, c.Start(t.Context()))
	t.Cleanup(c.Close)
	return n
}

// work runs the node's jobs until the returned function is called.
func (n *node) work(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { n.jobs.Run(ctx) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) customer(t *testing.T, phone string) id.Customer {
	t.Helper()
	c, err := n.parties.RegisterCustomer(t.Context(), party.Registration{Phone: phone, Name: "New Payer", PasswordHash: "h"})
	must(t, err)
	return c.ID
}

func document(p authority.Person) identity.Document {
	return identity.Document{Kind: identity.Kind(p.Kind), Country: p.Country, Name: p.Name, Number: p.Number}
}

func (n *node) view(t *testing.T, c id.Customer) identity.View {
	t.Helper()
	v, err := n.View(t.Context(), c)
	must(t, err)
	return v
}

func (n *node) check(t *testing.T, c id.Customer, channel identity.Channel) identity.CheckView {
	t.Helper()
	for _, check := range n.view(t, c).Checks {
		if check.Channel == channel {
			return check
		}
	}
	return identity.CheckView{}
}

// until waits for the state of a check.
func (n *node) until(t *testing.T, c id.Customer, channel identity.Channel, states ...identity.CheckState) identity.CheckView {
	t.Helper()
	for range 3000 {
		if check := n.check(t, c, channel); slices.Contains(states, check.State) {
			return check
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: %+v, want %v", channel, n.check(t, c, channel), states)
	return identity.CheckView{}
}

func (n *node) start(t *testing.T, c id.Customer, channel identity.Channel, p authority.Person) {
	t.Helper()
	_, err := n.StartCheck(t.Context(), c, identity.Start{Channel: channel, Card: p.Cards[0].Number, Account: p.Accounts[0]})
	must(t, err)
}

func (n *node) images(t *testing.T, c id.Customer) {
	t.Helper()
	var picture bytes.Buffer
	must(t, png.Encode(&picture, stdimage.NewGray(stdimage.Rect(0, 0, 64, 64))))
	for _, side := range []identity.Side{identity.SideFront, identity.SideBack} {
		_, err := n.AddImage(t.Context(), c, side, picture.Bytes())
		must(t, err)
	}
}

// third brings a customer to class III, or as far as it goes.
func (n *node) third(t *testing.T, c id.Customer, p authority.Person) {
	t.Helper()
	n.images(t, c)
	for _, channel := range identity.Channels() {
		n.start(t, c, channel, p)
	}
	n.until(t, c, identity.ChannelTransfer, identity.CheckAsked)
	_, err := n.AnswerCheck(t.Context(), c, identity.ChannelTransfer, authority.Deposit(p.Accounts[0]))
	must(t, err)
	for _, channel := range identity.Channels() {
		n.until(t, c, channel, identity.CheckPassed)
	}
}

func (n *node) class(t *testing.T, c id.Customer, want party.Class) {
	t.Helper()
	found, err := n.parties.Customer(t.Context(), c)
	must(t, err)
	if found.Class != want {
		t.Errorf("class %d, want %d", found.Class, want)
	}
}

func (n *node) count(t *testing.T, query string) (count int64) {
	t.Helper()
	must(t, n.db.Read.QueryRowContext(t.Context(), query).Scan(&count))
	return count
}

func (n *node) events(t *testing.T, kind string) int64 {
	t.Helper()
	rows, err := n.db.Read.QueryContext(t.Context(), "SELECT items FROM events")
	must(t, err)
	defer rows.Close()
	var found int64
	for rows.Next() {
		var items string
		must(t, rows.Scan(&items))
		found += int64(strings.Count(items, `"kind":"`+kind+`"`))
	}
	must(t, rows.Err())
	return found
}

// refused checks that act fails with code and commits nothing.
func (n *node) refused(t *testing.T, code string, act func() error) {
	t.Helper()
	before := n.count(t, "SELECT count(*) FROM commit_groups")
	if err := act(); fault.CodeOf(err) != code {
		t.Errorf("err = %v, want %s", err, code)
	}
	if after := n.count(t, "SELECT count(*) FROM commit_groups"); after != before {
		t.Errorf("%s wrote", code)
	}
}

// TestFaults runs every fault of every channel: nothing but a definite answer decides, and no class comes of another.
func TestFaults(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		n.work(t)
		known := authority.SeedPeople()[3]
		serial := 0
		for _, channel := range identity.Channels() {
			passes := []identity.CheckState{identity.CheckPassed}
			if channel == identity.ChannelTransfer {
				passes = []identity.CheckState{identity.CheckAsked}
			}
			for _, test := range []struct {
				number string
				states []identity.CheckState
				reason string
			}{
				{"11010119900101901X", []identity.CheckState{identity.CheckUnknown}, ""},
				{"110101199001019028", passes, ""},
				{"110101199001019036", []identity.CheckState{identity.CheckFailed}, identity.ReasonMismatch},
				{"110101199001019044", []identity.CheckState{identity.CheckFailed}, identity.ReasonNotFound},
				{"110101199001019052", []identity.CheckState{identity.CheckUnknown}, ""},
				{"110101199001019060", passes, ""},
				{"110101199001019079", []identity.CheckState{identity.CheckUnknown}, ""},
			} {
				serial++
				c := n.customer(t, fmt.Sprintf("+861390000%04d", serial))
				name := document(known)
				name.Number = test.number
				_, err := n.Submit(t.Context(), c, name)
				must(t, err)
				if n.view(t, c).State == identity.StateReview { // the number was shown before
					_, err := n.Approve(t.Context(), identity.Decision{Customer: c, Staff: "stf_x", Reason: "test"})
					must(t, err)
				}
				n.start(t, c, channel, known)
				got := n.until(t, c, channel, test.states...)
				if got.Reason != test.reason {
					t.Errorf("%s %s: %+v", channel, test.number, got)
				}
				if test.states[0] != identity.CheckPassed {
					n.class(t, c, 0)
				}
				if got.State == identity.CheckUnknown {
					n.refused(t, "identity.check_under_way", func() error {
						_, err := n.StartCheck(t.Context(), c, identity.Start{
							Channel: channel, Card: known.Cards[0].Number, Account: known.Accounts[0],
						})
						return err
					})
				}
			}
		}
	})
}

// TestUnknownIsFound asks again until the channel speaks, through an outage of its line.
func TestUnknownIsFound(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		n.work(t)
		known := authority.SeedPeople()[3]
		c := n.customer(t, known.Phones[0])
		_, err := n.Submit(t.Context(), c, document(known))
		must(t, err)
		out.SetFaults(authority.Fault{Channel: "authority", Fault: authority.FaultDecidedError, Times: 1},
			authority.Fault{Channel: "authority", Fault: authority.FaultBadSignature, Times: 1})
		n.start(t, c, identity.ChannelAuthority, known)
		n.until(t, c, identity.ChannelAuthority, identity.CheckUnknown)
		n.class(t, c, 0)
		n.until(t, c, identity.ChannelAuthority, identity.CheckPassed)
		n.class(t, c, 1)
		// The person's word is asked for, lost, and said again.
		n.start(t, c, identity.ChannelTransfer, known)
		n.until(t, c, identity.ChannelTransfer, identity.CheckAsked)
		out.SetFaults(authority.Fault{Channel: "bank_transfer", Fault: authority.FaultDecidedError, Times: 1})
		_, err = n.AnswerCheck(t.Context(), c, identity.ChannelTransfer, authority.Deposit(known.Accounts[0]))
		must(t, err)
		n.until(t, c, identity.ChannelTransfer, identity.CheckPassed)
		// Three wrong amounts are the end of a check.
		other := n.customer(t, "+8613911111111")
		p := authority.SeedPeople()[4]
		_, err = n.Submit(t.Context(), other, document(p))
		must(t, err)
		n.start(t, other, identity.ChannelTransfer, p)
		for i := range int64(3) {
			if got := n.until(t, other, identity.ChannelTransfer, identity.CheckAsked); got.AnswersLeft != 3-i {
				t.Errorf("%+v", got)
			}
			_, err = n.AnswerCheck(t.Context(), other, identity.ChannelTransfer, authority.Deposit(p.Accounts[0])%99+1)
			must(t, err)
			n.until(t, other, identity.ChannelTransfer, identity.CheckAsked, identity.CheckFailed)
		}
		if got := n.check(t, other, identity.ChannelTransfer); got.State != identity.CheckFailed ||
			got.Reason != identity.ReasonWrongAnswer {
			t.Errorf("%+v", got)
		}
		again := func() error {
			_, err := n.StartCheck(t.Context(), other, identity.Start{Channel: identity.ChannelTransfer, Account: p.Accounts[0]})
			return err
		}
		n.refused(t, "identity.too_many_tries", again)
		_, err = n.Submit(t.Context(), other, document(authority.SeedPeople()[2])) // no way around it
		must(t, err)
		n.refused(t, "identity.too_many_tries", again)
		clk.Advance(30 * 24 * time.Hour)
		must(t, again())
	})
}

// gate is a channel that answers when it is told, and counts.
type gate struct {
	channel identity.Channel
	open    chan struct{}
	calls   atomic.Int64
}

func (g *gate) Channel() identity.Channel { return g.channel }
func (g *gate) Timeout() time.Duration    { return time.Minute }
func (g *gate) Verify(ctx context.Context, _ identity.Query) (identity.Outcome, error) {
	g.calls.Add(1)
	select {
	case <-g.open:
		return identity.OutcomeMatched, nil
	case <-ctx.Done():
		return identity.OutcomeUnknown, errors.New("no answer")
	}
}

// TestResume ends a node in the middle of a call: another one asks again under the same reference, and the answer counts
// once.
func TestResume(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		key := t.TempDir() + "/key"
		stuck := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		dying := startNode(t, db, key, clk, stuck)
		stop := dying.work(t)
		known := authority.SeedPeople()[3]
		c := dying.customer(t, known.Phones[0])
		_, err := dying.Submit(t.Context(), c, document(known))
		must(t, err)
		dying.start(t, c, identity.ChannelAuthority, known)
		for stuck.calls.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
		ready := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		close(ready.open)
		n := startNode(t, db, key, clk, ready)
		n.work(t)
		n.until(t, c, identity.ChannelAuthority, identity.CheckPassed)
		n.class(t, c, 1)
		if found := n.events(t, "identity.check_decided"); found != 1 {
			t.Errorf("%d events", found)
		}
		if n.count(t, "SELECT count(*) FROM identity_checks WHERE length(sealed) > 0") != 0 {
			t.Error("what was asked is still there")
		}
	})
}

// TestVoidedAnswer lets an answer come after the person has shown another document: it is not heard.
func TestVoidedAnswer(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		late := &gate{channel: identity.ChannelAuthority, open: make(chan struct{})}
		n := startNode(t, db, t.TempDir()+"/key", clk, late)
		n.work(t)
		c := n.customer(t, "+8613900000001")
		_, err := n.Submit(t.Context(), c, document(authority.SeedPeople()[3]))
		must(t, err)
		n.start(t, c, identity.ChannelAuthority, authority.SeedPeople()[3])
		for late.calls.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		_, err = n.Submit(t.Context(), c, document(authority.SeedPeople()[4]))
		must(t, err)
		close(late.open)
		for n.count(t, "SELECT count(*) FROM jobs") > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if got := n.check(t, c, identity.ChannelAuthority); got.State != identity.CheckNone {
			t.Errorf("%+v", got)
		}
		n.class(t, c, 0)
	})
}

// TestDuplicates shows one document by many customers at once on two nodes: one goes on, the others to staff.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		key := t.TempDir() + "/key"
		nodes := []*node{startNode(t, db, key, clk), startNode(t, db, key, clk)}
		known := authority.SeedPeople()[3]
		var open, review atomic.Int64
		var wg sync.WaitGroup
		for i := range 12 {
			c := nodes[0].customer(t, fmt.Sprintf("+86139000000%02d", i))
			wg.Go(func() {
				v, err := nodes[i%2].Submit(t.Context(), c, document(known))
				switch {
				case err != nil:
					t.Error(err)
				case v.State == identity.StateOpen:
					open.Add(1)
				case v.State == identity.StateReview && v.Reason == "": // why is for staff
					review.Add(1)
				}
			})
		}
		wg.Wait()
		if open.Load() != 1 || review.Load() != 11 {
			t.Errorf("%d open, %d in review", open.Load(), review.Load())
		}
		if lines, err := nodes[0].Reviews(t.Context(), "", 100); err != nil || len(lines) != 11 ||
			lines[0].Reason != identity.ReasonDuplicate {
			t.Errorf("%d in the queue, %v", len(lines), err)
		}
	})
}

// TestOneThird brings two accounts of one person to five channels at once: one has class III, the other II.
func TestOneThird(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		key := t.TempDir() + "/key"
		var ways []identity.Verifier
		hold := make(chan struct{})
		for _, channel := range identity.Channels() {
			ways = append(ways, &gate{channel: channel, open: hold})
		}
		nodes := []*node{startNode(t, db, key, clk, ways...), startNode(t, db, key, clk, ways...)}
		nodes[0].work(t)
		nodes[1].work(t)
		known := authority.SeedPeople()[3]
		var both []id.Customer
		for i := range 2 {
			c := nodes[0].customer(t, fmt.Sprintf("+861390000000%d", i))
			v, err := nodes[0].Submit(t.Context(), c, document(known))
			must(t, err)
			if v.State == identity.StateReview {
				_, err := nodes[0].Approve(t.Context(), identity.Decision{Customer: c, Staff: "stf_x", Reason: "two phones"})
				must(t, err)
			}
			nodes[0].images(t, c)
			for _, channel := range identity.Channels() {
				nodes[i].start(t, c, channel, known)
			}
			both = append(both, c)
		}
		close(hold)
		classes := make(map[party.Class]int)
		for _, c := range both {
			for _, channel := range identity.Channels() {
				nodes[0].until(t, c, channel, identity.CheckPassed)
			}
			found, err := nodes[0].parties.Customer(t.Context(), c)
			must(t, err)
			classes[found.Class]++
		}
		if classes[3] != 1 || classes[2] != 1 {
			t.Errorf("%v", classes)
		}
	})
}

// TestExpiry tells before a document ends, lowers the class when it does, and raises it again with a renewed one.
func TestExpiry(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		stop := n.work(t)
		known := authority.SeedPeople()[3]
		c := n.customer(t, known.Phones[0])
		shown := document(known)
		shown.ExpiresOn = clock.DateOf(clk.Now().AddDate(0, 0, 60), shanghai)
		_, err := n.Submit(t.Context(), c, shown)
		must(t, err)
		n.third(t, c, known)
		n.class(t, c, 3)
		stop()
		step := func(days int, class party.Class, told, ended int64) {
			t.Helper()
			clk.Advance(time.Duration(days) * 24 * time.Hour)
			must(t, n.Expire(t.Context()))
			must(t, n.Expire(t.Context())) // twice is once
			n.class(t, c, class)
			if a, b := n.events(t, "identity.document_expiring"), n.events(t, "identity.document_expired"); a != told || b != ended {
				t.Errorf("told %d, ended %d; want %d, %d", a, b, told, ended)
			}
		}
		step(29, 3, 0, 0)
		step(3, 3, 1, 0)
		step(29, 0, 1, 1)
		if v := n.view(t, c); v.State != identity.StateExpired {
			t.Errorf("%+v", v)
		}
		n.refused(t, "identity.not_started", func() error {
			_, err := n.StartCheck(t.Context(), c, identity.Start{Channel: identity.ChannelPhone})
			return err
		})
		n.refused(t, "identity.document_expired", func() error { _, err := n.Submit(t.Context(), c, shown); return err })
		shown.ExpiresOn = ""
		_, err = n.Submit(t.Context(), c, shown)
		must(t, err)
		n.class(t, c, 1) // four channels still count, and the new images are missing
		n.images(t, c)
		n.class(t, c, 2)
		n.work(t)
		n.start(t, c, identity.ChannelAuthority, known)
		n.until(t, c, identity.ChannelAuthority, identity.CheckPassed)
		n.class(t, c, 3)
		// The phone's owner is believed for two years.
		step(731, 2, 1, 1)
	})
}

// TestLimits refuses what is tried too often.
func TestLimits(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		out := startOutside(t, clk)
		n := startNode(t, db, t.TempDir()+"/key", clk, out.verifiers...)
		n.work(t)
		c := n.customer(t, "+8613900000001") // not the phone of the person
		known := authority.SeedPeople()[3]
		for range 5 {
			_, err := n.Submit(t.Context(), c, document(known))
			must(t, err)
		}
		n.refused(t, "identity.too_many_tries", func() error { _, err := n.Submit(t.Context(), c, document(known)); return err })
		for range 4 {
			n.start(t, c, identity.ChannelPhone, known)
			n.until(t, c, identity.ChannelPhone, identity.CheckFailed)
		}
		n.refused(t, "identity.too_many_tries", func() error {
			_, err := n.StartCheck(t.Context(), c, identity.Start{Channel: identity.ChannelPhone})
			return err
		})
		clk.Advance(25 * time.Hour)
		n.start(t, c, identity.ChannelPhone, known)
		n.until(t, c, identity.ChannelPhone, identity.CheckFailed)
		n.refused(t, "party.customer_not_found", func() error {
			_, err := n.Submit(t.Context(), id.New[id.Customer](today), document(known))
			return err
		})
		n.refused(t, "identity.not_in_review", func() error {
			_, err := n.Refuse(t.Context(), identity.Decision{Customer: c, Staff: "stf_x", Reason: "x"})
			return err
		})
		n.refused(t, "party.bad_reason", func() error {
			_, err := n.Repeat(t.Context(), identity.Decision{Customer: c, Staff: "stf_x"})
			return err
		})
	})
}
