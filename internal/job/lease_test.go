package job_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestHold(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		var holders atomic.Int64
		turns := make(chan int, 2)
		stops := map[int]context.CancelFunc{}
		for i := range 2 {
			n := newNode(t, db, clk)
			ctx, cancel := context.WithCancel(t.Context())
			stops[i] = cancel
			go n.Hold(ctx, "leader", time.Hour, func(ctx context.Context) {
				if holders.Add(1) != 1 {
					t.Error("two leaders at once")
				}
				turns <- i
				<-ctx.Done()
				holders.Add(-1)
			})
		}
		first := <-turns
		stops[first]()
		if second := <-turns; second == first {
			t.Errorf("node %d led twice", first)
		}
		stops[1-first]()
		eventually(t, "the lease is given back", func() bool { return leases(t, db) == 0 })
	})
}

func leases(t *testing.T, db *sqldb.DB) int {
	t.Helper()
	var n int
	if err := db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM leases").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestHold_LostLeaseEndsTheWork(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{})
		begun, ended := make(chan struct{}, 8), make(chan struct{}, 8)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.Hold(ctx, "leader", 300*time.Millisecond, func(ctx context.Context) {
				begun <- struct{}{}
				<-ctx.Done()
				ended <- struct{}{}
			})
		}()
		<-begun
		n.exec(t, "UPDATE leases SET holder = 'another', expires_at = $1", clock.Micros(n.clock.Now().Add(time.Hour)))
		<-ended // the renewal saw it
		n.clock.Advance(2 * time.Hour)
		<-begun // the other one's lease has ended, and it is led here again
		cancel()
		<-done
	})
}

func TestHold_ReturnsWhenTheWorkIsDone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{})
		ran := false
		n.Hold(t.Context(), "once", time.Minute, func(context.Context) { ran = true })
		if !ran || leases(t, db) != 0 {
			t.Errorf("ran %v, %d leases", ran, leases(t, db))
		}
	})
}

func TestSlot(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{})
		releases := map[string]func(){}
		for i := range 16 {
			stripe, release, err := n.Slot(t.Context())
			if want := fmt.Sprintf("n%02d", i); err != nil || stripe != want {
				t.Fatalf("slot %q, %v, want %s", stripe, err, want)
			}
			releases[stripe] = release
		}
		drawn, none, err := n.Slot(t.Context())
		if err != nil || releases[drawn] == nil {
			t.Fatalf("slot %q, %v, want any of n00 … n15", drawn, err)
		}
		none()
		releases["n05"]()
		if stripe, release, err := n.Slot(t.Context()); err != nil || stripe != "n05" {
			t.Errorf("slot %q, %v, want n05", stripe, err)
		} else {
			releases["n05"] = release
		}
		for _, release := range releases {
			release()
		}
		if leases(t, db) != 0 {
			t.Errorf("%d leases are left", leases(t, db))
		}
	})
}

func TestEvery(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		var ran atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		for range 2 {
			n := newNode(t, db, clk)
			go func() {
				n.Every(ctx, "sweep", 24*time.Hour, func(context.Context) error {
					ran.Add(1)
					return errors.New("logged, and tried again a day later")
				})
				done <- struct{}{}
			}()
		}
		for day := int64(1); day <= 3; day++ {
			eventually(t, "it runs once a day", func() bool { return ran.Load() == day })
			eventually(t, "the lease stands until tomorrow", func() bool {
				var ends int64
				err := db.Read.QueryRowContext(t.Context(), "SELECT max(expires_at) FROM leases").Scan(&ends)
				return err == nil && clock.FromMicros(ends).After(clk.Now().Add(23*time.Hour))
			})
			clk.Advance(24 * time.Hour)
		}
		eventually(t, "the fourth day", func() bool { return ran.Load() == 4 })
		cancel()
		<-done
		<-done
	})
}
