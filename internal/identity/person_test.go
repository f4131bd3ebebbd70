package identity_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

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
			if a, b := n.events(
				t,
				"identity.document_expiring",
			), n.events(
				t,
				"identity.document_expired",
			); a != told ||
				b != ended {
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
		n.refused(
			t,
			"identity.too_many_tries",
			func() error { _, err := n.Submit(t.Context(), c, document(known)); return err },
		)
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
