package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"database/sql"
	"encoding/csv"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

type fixture struct {
	*audit.Trail
	*audit.Chain
	committer *commit.Committer
	db        *sqldb.DB
	clock     *clock.Clock
}

func start(t *testing.T, db *sqldb.DB) *fixture {
	t.Helper()
	f := &fixture{db: db, clock: &clock.Clock{}}
	f.committer = commit.New(db, f.clock, commit.Options{})
	f.Trail = audit.New(f.committer, db, f.clock)
	if err := f.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.committer.Close)
	var err error
	f.Chain, err = audit.NewChain(db, f.clock, audit.ChainOptions{
		Origin: "pay.example.com/audit", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var ann = audit.Origin{
	Kind: audit.Staff, Actor: "stf_ann", Credential: "ses_1", Device: "dev_1", Address: "192.0.2.1", Request: "req_1",
}

func (f *fixture) add(t *testing.T, act audit.Act) {
	t.Helper()
	err := f.committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
		return f.Add(audit.With(t.Context(), ann), tx, act)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(time.Millisecond)
}

func (f *fixture) seal(t *testing.T) {
	t.Helper()
	if err := f.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) verify(t *testing.T) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), f.db, audit.VerifyOptions{TrustedKeys: []string{f.Key()}})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (f *fixture) search(t *testing.T, q audit.Query) []audit.Record {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	records, _, err := f.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestAdd(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		type state struct {
			State    string         `json:"state"`
			Password string         `json:"password"`
			Inner    map[string]any `json:"inner"`
			Limit    int64          `json:"limit"`
		}
		f.add(t, audit.Act{
			Kind:    "merchant.state_set",
			Subject: "mer_1",
			Reason:  "complaints",
			Before:  state{State: "active", Password: "geheim"},
			After: state{
				State: "frozen",
				Inner: map[string]any{"pin": "739402", "list": []any{map[string]any{"token": "x"}}},
				Limit: 9007199254740991,
			},
		})
		got := f.search(t, audit.Query{})
		if len(got) != 1 {
			t.Fatalf("%d records", len(got))
		}
		r := got[0]
		if r.Actor != "stf_ann" || r.ActorKind != audit.Staff || r.Credential != "ses_1" || r.Device != "dev_1" ||
			r.Address != "192.0.2.1" || r.Request != "req_1" || r.Subject != "mer_1" || r.Reason != "complaints" || r.N != 0 {
			t.Errorf("%+v", r)
		}
		if r.Before != `{"inner":{},"limit":0,"state":"active"}` ||
			r.After != `{"inner":{"list":[{}]},"limit":9007199254740991,"state":"frozen"}` {
			t.Errorf("before %s, after %s", r.Before, r.After)
		}
		// A decision that refuses leaves no record.
		refused := fault.New(fault.Conflict, "no", "no")
		err := f.committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
			if err := f.Add(t.Context(), tx, audit.Act{Kind: "x.done"}); err != nil {
				return err
			}
			return refused
		})
		if fault.CodeOf(err) != "no" || len(f.search(t, audit.Query{})) != 1 {
			t.Errorf("a refused decision: %v", err)
		}
		// Many decisions of one group have an id each.
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { f.add(t, audit.Act{Kind: "many.done"}) })
		}
		wg.Wait()
		if n := len(f.search(t, audit.Query{Kind: "many.done", Limit: 200})); n != 100 {
			t.Errorf("%d of 100", n)
		}
		f.seal(t)
		if report := f.verify(t); !report.OK() || report.Records != 101 {
			t.Errorf("%+v", report)
		}
	})
}

func TestNotes(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		ctx := audit.With(t.Context(), ann)
		for range 1000 {
			f.Note(ctx, audit.Act{Kind: "access.refused", Reason: "auth.permission_missing"})
		}
		for i := range 600 {
			f.Note(ctx, audit.Act{Kind: "sign_in.failed", Subject: strconv.Itoa(i)})
		}
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.search(
			t,
			audit.Query{Kind: "access.refused"},
		); len(got) != 1 ||
			!strings.Contains(got[0].After, `"count":1000`) {
			t.Errorf("%+v", got)
		}
		if n := len(f.search(t, audit.Query{Kind: "sign_in.failed", Limit: 1000})); n != 511 {
			t.Errorf("%d told apart", n)
		}
		if got := f.search(t, audit.Query{Kind: audit.KindDropped}); len(got) != 1 || got[0].After != `{"count":89}` {
			t.Errorf("%+v", got)
		}
		if err := f.Flush(t.Context()); err != nil || len(f.search(t, audit.Query{Limit: 1000})) != 513 {
			t.Errorf("a second flush: %v", err)
		}
		var none *audit.Trail
		none.Note(ctx, audit.Act{})
	})
}

func TestSearch(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		begun := f.clock.Now()
		for i := range 25 {
			f.add(t, audit.Act{Kind: fmt.Sprintf("kind%d.done", i%2), Subject: fmt.Sprintf("mer_%d", i%5)})
		}
		for name, test := range map[string]struct {
			query audit.Query
			want  int
		}{
			"All": {audit.Query{}, 25}, "Actor": {audit.Query{Actor: "stf_ann"}, 25}, "Nobody": {audit.Query{Actor: "stf_bob"}, 0},
			"Kind": {audit.Query{Kind: "kind1.done"}, 12}, "Subject": {audit.Query{Subject: "mer_3"}, 5},
			"Address": {audit.Query{Address: "192.0.2.1", Kind: "kind0.done", Subject: "mer_0"}, 3},
			"Past":    {audit.Query{To: begun}, 0}, "Since": {audit.Query{From: begun}, 25},
			"Injected": {audit.Query{Actor: "' OR 1=1 --"}, 0},
		} {
			if got := len(f.search(t, test.query)); got != test.want {
				t.Errorf("%s: %d, want %d", name, got, test.want)
			}
		}
		seen := map[string]bool{}
		q := audit.Query{Limit: 7}
		for {
			page, more, err := f.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page {
				seen[string(page[i].ID)] = true
			}
			if !more {
				break
			}
			q.Cursor = page[len(page)-1].Cursor()
		}
		if len(seen) != 25 {
			t.Errorf("%d records by pages", len(seen))
		}
		if _, _, err := f.Search(t.Context(), audit.Query{Cursor: "1.x", Limit: 1}); fault.CodeOf(err) != "audit.bad_cursor" {
			t.Errorf("a bad cursor: %v", err)
		}
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		evil := []string{
			`=cmd|' /C calc'!A0`,
			"+1",
			"-1",
			"@SUM(A1)",
			"\t=1",
			"＝1",
			" =1",
			"\r=1",
			`"quoted", and "comma"`,
			"\ufeff=2",
		}
		for _, reason := range evil {
			f.add(t, audit.Act{Kind: "x.done", Reason: reason})
		}
		var out bytes.Buffer
		if err := f.Export(t.Context(), &out, audit.CSV, audit.Query{}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != len(evil)+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for i, row := range rows[1:] {
			reason := evil[len(evil)-1-i]
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(strings.TrimLeft(cell, " \ufeff")[:1], "=+-@\t\r") {
					t.Errorf("the cell %q is a formula", cell)
				}
			}
			if strings.TrimPrefix(row[12], "'") != strings.ReplaceAll(reason, "\r", "") {
				t.Errorf("reason %q is exported as %q", reason, row[12])
			}
		}
		out.Reset()
		if err := f.Export(t.Context(), &out, audit.JSONLines, audit.Query{Kind: "x.done"}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != len(evil) {
			t.Errorf("%d lines", n)
		}
		out.Reset()
		if err := f.Export(
			t.Context(),
			&out,
			audit.CSV,
			audit.Query{Kind: "none"},
		); err != nil ||
			strings.Count(out.String(), "\n") != 1 {
			t.Errorf("an empty export: %q, %v", out.String(), err)
		}
	})
}

// untriggered takes the triggers away, as who owns the database can.
func untriggered(t *testing.T, db *sqldb.DB) {
	t.Helper()
	drops := []string{
		"DROP TRIGGER audit_records_no_update", "DROP TRIGGER audit_records_no_delete",
		"DROP TRIGGER audit_heads_no_update", "DROP TRIGGER audit_heads_no_delete",
	}
	if db.Engine() == "postgres" {
		drops = []string{"ALTER TABLE audit_records DISABLE TRIGGER ALL", "ALTER TABLE audit_heads DISABLE TRIGGER ALL"}
	}
	for _, drop := range drops {
		must(t, exec(t, db, drop))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *sqldb.DB, text string) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), text)
		return err
	})
}

// TestImmutable tries to change what is written.
func TestImmutable(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		f.add(t, audit.Act{Kind: "x.done"})
		tries := []string{
			"UPDATE audit_records SET kind = 'y.done'", "DELETE FROM audit_records", "UPDATE audit_records SET at = 0",
			"UPDATE audit_records SET n = 1, hash = NULL", "UPDATE audit_records SET n = NULL",
		}
		check := func() {
			for _, text := range tries {
				if err := exec(t, db, text); err == nil {
					t.Errorf("%s was done", text)
				}
			}
		}
		check()
		f.seal(t)
		tries = append(tries, "UPDATE audit_records SET n = 2", "UPDATE audit_heads SET size = 2", "DELETE FROM audit_heads")
		check()
		if report := f.verify(t); !report.OK() {
			t.Errorf("%+v", report.Failures)
		}
	})
}

// TestVerifyNamesTheThing changes each field behind the trail's back and expects Verify to name the record.
func TestVerifyNamesTheThing(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"at": "at + 1", "kind": "'y.done'", "actor_kind": "'customer'", "actor": "'stf_bob'", "credential": "'ses_2'",
		"device": "'dev_2'", "address": "'192.0.2.9'", "request_id": "'req_9'", "subject": "'mer_9'",
		"proposal_id": "'prp_9'", "reason": "'another'", "before_json": "'{}'", "after_json": "'{}'", "id": "'aud_x'",
		"hash": "(SELECT h.hash FROM audit_records h WHERE h.n = 1)",
	}
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		for i := range 6 {
			f.add(t, audit.Act{Kind: "x.done", Subject: fmt.Sprintf("mer_%d", i), Reason: "why", Before: i, After: i + 1})
			if i%2 == 1 {
				f.seal(t)
			}
		}
		if report := f.verify(t); !report.OK() || report.Records != 6 || report.Heads != 3 || !report.SignaturesChecked {
			t.Fatalf("%+v", report)
		}
		untriggered(t, db)
		for field, value := range fields {
			must(t, exec(t, db, "CREATE TABLE kept AS SELECT * FROM audit_records WHERE n = 3")) //nolint:unqueryvet // all of it
			must(t, exec(t, db, "UPDATE audit_records SET "+field+" = "+value+" WHERE n = 3"))
			if failures := f.verify(t).Failures; len(failures) == 0 || failures[0].Check != "record" ||
				!strings.Contains(failures[0].Message, "record 3 is not what was chained") {
				t.Errorf("%s: %+v", field, failures)
			}
			must(t, exec(t, db, "DELETE FROM audit_records WHERE n = 3"))
			if failures := f.verify(
				t,
			).Failures; len(failures) == 0 ||
				!strings.Contains(failures[0].Message, "record 3 is missing") {
				t.Errorf("taken out: %+v", failures)
			}
			must(t, exec(t, db, "INSERT INTO audit_records SELECT * FROM kept")) //nolint:unqueryvet // all of it
			must(t, exec(t, db, "DROP TABLE kept"))
			if report := f.verify(t); !report.OK() {
				t.Fatalf("%s was not put right: %+v", field, report.Failures)
			}
		}
		for name, test := range map[string][3]string{
			"Tail":     {"DELETE FROM audit_records WHERE n = 6", "it signs 6 records", ""},
			"HeadHash": {"UPDATE audit_heads SET hash = (SELECT hash FROM audit_records WHERE n = 1) WHERE size = 4", "its hash is", ""},
			"HeadNote": {"UPDATE audit_heads SET note = (SELECT h.note FROM audit_heads h WHERE h.size = 2) WHERE size = 4", "its note says", ""},
			"HeadGone": {"DELETE FROM audit_heads WHERE size = 6", "the newest head signs 4", ""},
		} {
			must(t, exec(t, db, "CREATE TABLE kept AS SELECT * FROM audit_records"))     //nolint:unqueryvet // all of it
			must(t, exec(t, db, "CREATE TABLE kept_heads AS SELECT * FROM audit_heads")) //nolint:unqueryvet // all of it
			must(t, exec(t, db, test[0]))
			found := false
			for _, failure := range f.verify(t).Failures {
				found = found || strings.Contains(failure.Message, test[1])
			}
			if !found {
				t.Errorf("%s was not found: %+v", name, f.verify(t).Failures)
			}
			if strings.HasPrefix(name, "Tail") || name == "HeadGone" {
				f.add(t, audit.Act{Kind: "later.done"}) // nothing is chained behind what was signed otherwise
				if err := f.Seal(t.Context()); fault.CodeOf(err) != "audit.chain_damaged" {
					t.Errorf("%s: a damaged chain went on: %v", name, err)
				}
			}
			for _, text := range []string{
				"DELETE FROM audit_records", "DELETE FROM audit_heads", "INSERT INTO audit_records SELECT * FROM kept",
				"INSERT INTO audit_heads SELECT * FROM kept_heads", "DROP TABLE kept", "DROP TABLE kept_heads",
			} {
				must(t, exec(t, db, text))
			}
		}
		// Another's key.
		other, err := audit.NewChain(db, f.clock, audit.ChainOptions{
			Origin: "pay.example.com/audit", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)),
		})
		must(t, err)
		report, err := audit.Verify(t.Context(), db, audit.VerifyOptions{TrustedKeys: []string{other.Key()}})
		if err != nil || len(report.Failures) != 3 {
			t.Errorf("another's key: %+v, %v", report.Failures, err)
		}
	})
}

// TestChainTogether chains from several nodes at once.
func TestChainTogether(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					f.add(t, audit.Act{Kind: "x.done"})
					if err := f.Seal(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		f.seal(t)
		if report := f.verify(t); !report.OK() || report.Records != 80 || report.Waiting != 0 {
			t.Errorf("%+v", report)
		}
	})
}
