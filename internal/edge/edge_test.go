package edge_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

const caller = "key_01kanq4j3qf8yt0v5d7r2m9xce"

type fixture struct {
	blocks *edge.Blocks
	watch  *edge.Watch
	db     *sqldb.DB
	clock  *clock.Clock
}

func start(t *testing.T, db *sqldb.DB, rules []edge.Rule) *fixture {
	t.Helper()
	clk := &clock.Clock{}
	c := commit.New(db, clk, commit.Options{})
	blocks := edge.NewBlocks(edge.Parts{
		Committer: c, DB: db, Clock: clk, Outbox: outbox.New(c, db),
		Guarded: edge.Guarded{netip.MustParsePrefix("10.1.0.0/16")},
	})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &fixture{blocks: blocks, db: db, clock: clk}
	f.watch = edge.NewWatch(rules, blocks, clk, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.watch.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; c.Close() })
	return f
}

func (f *fixture) written(t *testing.T) (n [2]int) {
	t.Helper()
	err := f.db.Read.QueryRowContext(t.Context(),
		"SELECT (SELECT count(*) FROM edge_blocks), (SELECT count(*) FROM events)").Scan(&n[0], &n[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: did not come about", what)
}

func blocked(f *fixture, address string) bool {
	return fault.CodeOf(f.blocks.CheckAddress(netip.MustParseAddr(address))) == "edge.blocked"
}

// announced counts the events of a kind.
func (f *fixture) announced(t *testing.T, kind string) int {
	t.Helper()
	rows, err := f.db.Read.QueryContext(t.Context(), "SELECT items FROM events")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var items string
		if err := rows.Scan(&items); err != nil {
			t.Fatal(err)
		}
		n += strings.Count(items, `"kind":"`+kind+`"`)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRules meets every rule by its own sign, one below the count and then at it.
func TestRules(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, edge.Rules())
		for i, rule := range edge.Rules() {
			address := fmt.Sprintf("203.0.113.%d", i+1)
			who := fmt.Sprintf("key_0%dkanq4j3qf8yt0v5d7r2m9xce", i+1)
			sight := func(n int) edge.Sighting {
				s := edge.Sighting{Sign: rule.Sign, Detail: fmt.Sprint("/", n)}
				switch rule.By {
				case edge.ByAddress:
					s.Address = netip.MustParseAddr(address)
				case edge.ByCaller:
					s.Caller = who
				case edge.ByLogin:
					s.Login, s.Address = "one", netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
				}
				if rule.Name == "credential_stuffing" {
					s.Login = fmt.Sprint("login", n)
				}
				return s
			}
			for n := range rule.Count - 1 {
				f.watch.Saw(sight(n))
				if rule.Distinct {
					f.watch.Saw(sight(n)) // the same again counts once
				}
			}
			if n := f.announced(t, "security."+rule.Name); n != 0 {
				t.Errorf("%s: met below its count", rule.Name)
			}
			blocks := f.written(t)[0]
			f.watch.Saw(sight(rule.Count))
			eventually(t, rule.Name, func() bool { return f.announced(t, "security."+rule.Name) == 1 })
			if rule.Block == 0 {
				if n := f.written(t)[0]; n != blocks {
					t.Errorf("%s blocks though it must not", rule.Name)
				}
				continue
			}
			eventually(t, "the block of "+rule.Name, func() bool {
				if rule.By == edge.ByCaller {
					return f.blocks.CheckCaller(who) != nil
				}
				return blocked(f, address)
			})
			f.clock.Advance(rule.Block + time.Second)
			if rule.By == edge.ByAddress && blocked(f, address) {
				t.Errorf("%s: the block does not end", rule.Name)
			}
		}
	})
}

// TestWindow forgets what is old.
func TestWindow(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, []edge.Rule{{"r", edge.SignUnknown, edge.ByAddress, 3, false, time.Minute, time.Minute}})
		before := f.written(t)
		for range 10 {
			f.watch.Saw(edge.Sighting{Sign: edge.SignUnknown, Address: netip.MustParseAddr("203.0.113.9")})
			f.clock.Advance(31 * time.Second)
		}
		f.watch.Saw(edge.Sighting{Sign: edge.SignUnknown}) // nobody to blame
		if after := f.written(t); after != before {
			t.Errorf("wrote %v, before %v", after, before)
		}
	})
}

// TestSignInAfterAttack tells a good sign-in that follows bad ones.
func TestSignInAfterAttack(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, edge.Rules())
		before := f.written(t)
		f.watch.SignedIn(edge.Sighting{Login: "calm"})
		for i := range 4 {
			f.watch.Saw(edge.Sighting{Sign: edge.SignBadLogin, Login: "busy"})
			_ = i
		}
		f.watch.SignedIn(edge.Sighting{Login: "busy"})
		if after := f.written(t); after != before {
			t.Errorf("wrote %v, before %v", after, before)
		}
		f.watch.Saw(edge.Sighting{Sign: edge.SignBadLogin, Login: "busy"})
		f.watch.SignedIn(edge.Sighting{Login: "busy", Caller: caller})
		eventually(t, "the event", func() bool { return f.written(t)[1] == before[1]+1 })
	})
}

// TestBlocks blocks by hand, lifts, and refuses what would shut the operator out.
func TestBlocks(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db, nil)
		ctx, until := t.Context(), f.clock.Now().Add(time.Hour)
		before := f.written(t)
		for _, test := range []struct {
			code, subject, reason string
			until                 time.Time
		}{
			{"edge.guarded", "address:127.0.0.1", "x", until},
			{"edge.guarded", "address:::1", "x", until},
			{"edge.guarded", "address:10.1.2.3", "x", until},
			{"edge.guarded", "address:10.1.0.0/16", "x", until},
			{"edge.guarded", "address:127.0.0.0/16", "x", until},
			{"edge.bad_subject", "address:0.0.0.0/0", "x", until},
			{"edge.bad_subject", "address:10.0.0.0/8", "x", until},
			{"edge.bad_subject", "address:nowhere", "x", until},
			{"edge.bad_subject", "caller:nobody", "x", until},
			{"edge.bad_subject", "caller:", "x", until},
			{"edge.bad_subject", "", "x", until},
			{"edge.bad_end", "address:203.0.113.1", "x", f.clock.Now()},
			{"edge.bad_end", "address:203.0.113.1", "x", until.Add(400 * 24 * time.Hour)},
			{"party.bad_reason", "address:203.0.113.1", " ", until},
		} {
			_, err := f.blocks.Block(ctx, edge.BlockRequest{
				Subject: test.subject, Reason: test.reason, Until: test.until, By: "stf_1",
			})
			if fault.CodeOf(err) != test.code {
				t.Errorf("%q: %v, want %s", test.subject, err, test.code)
			}
		}
		if err := f.blocks.Lift(
			ctx,
			"blk_01kanq4j3qf8yt0v5d7r2m9xce",
			"stf_1",
			"x",
		); fault.CodeOf(
			err,
		) != "edge.block_not_found" {
			t.Errorf("lift nothing: %v", err)
		}
		if after := f.written(t); after != before || f.blocks.Any() {
			t.Errorf("refusals wrote %v, before %v", after, before)
		}

		must := func(subject string) edge.Block {
			block, err := f.blocks.Block(ctx, edge.BlockRequest{Subject: subject, Reason: "attack", Until: until, By: "stf_1"})
			if err != nil {
				t.Fatal(err)
			}
			return block
		}
		one := must("address:203.0.113.7")
		must("address:198.51.0.0/16")
		must("address:2001:db8::17")
		must("caller:" + caller)
		for address, want := range map[string]bool{
			"203.0.113.7": true, "203.0.113.8": false, "198.51.7.7": true, "2001:db8::1": true, "2001:db8:0:1::1": false,
			"127.0.0.1": false, "10.1.9.9": false,
		} {
			if blocked(f, address) != want {
				t.Errorf("%s blocked is %t", address, !want)
			}
		}
		if f.blocks.CheckCaller(caller) == nil || f.blocks.CheckCaller(caller+"x") != nil {
			t.Error("callers")
		}
		// Another node, or this one after a restart, reads the same.
		c := commit.New(db, f.clock, commit.Options{})
		other := edge.NewBlocks(edge.Parts{Committer: c, DB: db, Clock: f.clock, Outbox: outbox.New(c, db)})
		if err := other.Refresh(ctx); err != nil || other.CheckAddress(netip.MustParseAddr("203.0.113.7")) == nil {
			t.Errorf("the other node: %v", err)
		}
		if again := must("address:203.0.113.7"); again.ID != one.ID {
			t.Errorf("two rows of one subject: %s, %s", again.ID, one.ID)
		}
		if err := f.blocks.Lift(ctx, one.ID, "stf_1", "mistaken"); err != nil || blocked(f, "203.0.113.7") {
			t.Errorf("lifted: %v", err)
		}
		list, err := f.blocks.List(ctx)
		if err != nil || len(list) != 3 {
			t.Errorf("%d in force, %v", len(list), err)
		}
	})
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := edge.NewLimiter(edge.Rate{Class: "c", PerSecond: 2, Burst: 5})
	for i := range 5 {
		if room := l.Take("a", 0); !room.OK || room.Remaining != 4-i {
			t.Errorf("call %d: %+v", i, room)
		}
	}
	for range 3 { // refusals cost nothing
		if room := l.Take("a", 0); room.OK || room.Retry != 500*time.Millisecond || room.Remaining != 0 {
			t.Errorf("over: %+v", room)
		}
	}
	if !l.Take("b", 0).OK {
		t.Error("another caller is refused")
	}
	if !l.Take("a", 500*time.Millisecond).OK || l.Take("a", 500*time.Millisecond).OK {
		t.Error("half a second gives one call back")
	}
	if room := l.Take("a", time.Hour); !room.OK || room.Remaining != 4 {
		t.Errorf("at rest: %+v", room)
	}
}

// TestClasses holds the tables together: every class once, nothing that refuses everything.
func TestTables(t *testing.T) {
	t.Parallel()
	seen := map[edge.Class]bool{} //nolint:exhaustive // filled below
	for _, rate := range edge.Classes() {
		if seen[rate.Class] || rate.PerSecond <= 0 || rate.Burst < 1 || rate.Per == "" {
			t.Errorf("%+v", rate)
		}
		seen[rate.Class] = true
	}
	names := map[string]bool{}
	for _, rule := range edge.Rules() {
		if names[rule.Name] || rule.Count < 1 || rule.Window <= 0 || rule.By == edge.ByLogin && rule.Block != 0 {
			t.Errorf("%+v", rule)
		}
		names[rule.Name] = true
	}
}

// TestDocumented holds the page against the tables: a changed threshold changes docs/edge.md too.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	row := func(name string) string {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| `"+name+"` |") {
				return strings.ReplaceAll(line, ",", "")
			}
		}
		t.Errorf("docs/edge.md has no row for %s", name)
		return ""
	}
	in := func(d time.Duration) string {
		if d%time.Hour == 0 {
			return fmt.Sprintf("%d h", d/time.Hour)
		}
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	for _, rate := range edge.Classes() {
		if line := row(string(rate.Class)); !strings.HasSuffix(line, fmt.Sprintf("| %d |\n", rate.Burst)) ||
			rate.PerSecond >= 1 && !strings.Contains(line, fmt.Sprintf("| %.0f |", rate.PerSecond)) {
			t.Errorf("%s: the page says %s", rate.Class, line)
		}
	}
	for _, rule := range edge.Rules() {
		line := row(rule.Name)
		if rule.Count > 1 && !strings.Contains(line, fmt.Sprintf("| %d in %s |", rule.Count, in(rule.Window))) ||
			rule.Block > 0 && !strings.HasSuffix(line, "| "+in(rule.Block)+" |\n") ||
			rule.Block == 0 && !strings.Contains(line, "| none") {
			t.Errorf("%s: the page says %s", rule.Name, line)
		}
	}
}

// TestConnections bounds connections in all.
func TestConnections(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := (&edge.Connections{Max: 2, PerAddressMax: 1}).Listen(inner)
	defer bounded.Close()
	accepted := make(chan net.Conn, 8)
	go func() {
		for {
			conn, err := bounded.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	dial()
	first := <-accepted
	dial() // loopback has no bound of its own
	<-accepted
	third := dial()
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("the third connection stays")
	}
	_ = first.Close()
	_ = first.Close() // a second time gives nothing back
	dial()
	<-accepted
	fifth := dial()
	if _, err := fifth.Read(make([]byte, 1)); err == nil {
		t.Error("a place was given back twice")
	}
}

// TestWAF knows attacks, and lets what people write pass.
func TestWAF(t *testing.T) {
	t.Parallel()
	waf, err := edge.NewWAF(edge.WAFBlock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, target, body string
		refuse             bool
	}{
		{"Plain", "/ops/v1/merchants?limit=20", "", false},
		{"Name", "/merchant/v1/stores", `{"name":"Tea & Cake, O'Neill's","address":"12 High Street"}`, false},
		{"Chinese", "/merchant/v1/stores", `{"name":"茉莉茶馆(朝阳店)","address":"北京市朝阳区建国路1号"}`, false},
		{"NoBody", "/merchant/v1/application/submit", "", false}, // no Content-Length either, as curl sends it
		{"Script", "/merchant/v1/stores", `{"name":"<script>alert(document.cookie)</script>"}`, true},
		{"SQL", "/ops/v1/merchants?cursor=1%27%20OR%201=1%20UNION%20SELECT%20password%20FROM%20users--", "", true},
		{"Traversal", "/docs/../../../../etc/passwd?f=../../../../etc/passwd", "", true},
	} {
		method, body := http.MethodGet, io.Reader(nil)
		if test.body != "" || test.name == "NoBody" {
			method, body = http.MethodPost, strings.NewReader(test.body)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+test.target, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", "Mozilla/5.0")
		r.Header.Set("Accept", "application/json")
		if test.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		verdict, err := waf.Inspect(r, netip.MustParseAddr("203.0.113.1"))
		if err != nil || verdict.Refuse != test.refuse {
			t.Errorf("%s: %+v, %v", test.name, verdict, err)
		}
		if r.Body != nil {
			if left, err := io.ReadAll(r.Body); err != nil || string(left) != test.body {
				t.Errorf("%s: the body became %q, %v", test.name, left, err)
			}
		}
	}
	if off, err := edge.NewWAF(edge.WAFOff, nil); off != nil || err != nil {
		t.Errorf("off: %v, %v", off, err)
	}
	if _, err := edge.NewWAF("loud", nil); err == nil {
		t.Error("an unknown mode passes")
	}
}
