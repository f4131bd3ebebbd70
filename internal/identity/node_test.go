package identity_test

import (
	"bytes"
	"context"
	stdimage "image"
	"image/png"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
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
	server, err := authority.Start(
		t.Context(),
		authority.Config{Keys: keys, Clock: clk, SlowAnswer: 50 * time.Millisecond},
	)
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
		Committer: c,
		DB:        db,
		Clock:     clk,
		Log:       log,
		Vault:     v,
		Jobs:      n.jobs,
		Outbox:    events,
		Parties:   n.parties,
		Zone:      shanghai,
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
	c, err := n.parties.RegisterCustomer(
		t.Context(),
		party.Registration{Phone: phone, Name: "New Payer", PasswordHash: "h"},
	)
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
func (n *node) until(
	t *testing.T,
	c id.Customer,
	channel identity.Channel,
	states ...identity.CheckState,
) identity.CheckView {
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
	_, err := n.StartCheck(
		t.Context(),
		c,
		identity.Start{Channel: channel, Card: p.Cards[0].Number, Account: p.Accounts[0]},
	)
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
