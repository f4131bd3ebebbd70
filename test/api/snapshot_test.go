package api_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// snapshot is what every table holds: the number of its rows and a sum of their hashes, so that neither a new row
// nor a changed balance, counter or state is missed.
type snapshot map[string]tableSum

type tableSum struct {
	rows int
	sum  [sha256.Size]byte
}

// beside lists what works beside the requests and may change at any time: leases, and the log's sequencing
// of entries that are there already.
var beside = []string{
	"leases", "log_hashes", "log_checkpoints", "channel_cursors", "goose_db_version", "sqlite_sequence",
	"commit_groups.first_leaf",
	"audit_records", "audit_heads", // refusals are recorded; what acts record is in audit_test.go
}

// snapshot reads all tables. Call it while nothing is under way; see quiet.
func (w *world) snapshot(t testing.TB) snapshot {
	t.Helper()
	w.forget(t)
	if w.columns == nil {
		w.columns = w.tables(t)
	}
	s := snapshot{}
	for table, columns := range w.columns {
		s[table] = w.sum(t, table, columns)
	}
	return s
}

// forget does the hourly tidying now, so that a clock that was moved brings it on between no two snapshots.
func (w *world) forget(t testing.TB) {
	t.Helper()
	for _, forget := range []func(context.Context) error{
		w.Auth.Forget, w.Cards.Tidy, w.Messages.Forget, w.Webhooks.Forget, w.Signing.Forget,
	} {
		must(t, forget(t.Context()))
	}
}

// tables returns the columns of all tables but those that work beside the requests.
func (w *world) tables(t testing.TB) map[string][]string {
	t.Helper()
	columns := map[string][]string{}
	for table, all := range w.allTables(t) {
		if slices.Contains(beside, table) {
			continue
		}
		columns[table] = slices.DeleteFunc(all, func(column string) bool {
			return slices.Contains(beside, table+"."+column)
		})
	}
	return columns
}

// allTables returns the columns of all tables.
func (w *world) allTables(t testing.TB) map[string][]string {
	t.Helper()
	query := `SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'`
	if w.engine == "postgres" {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`
	}
	rows, err := w.DB.Read.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	columns := map[string][]string{}
	for rows.Next() {
		var table, column string
		must(t, rows.Scan(&table, &column))
		columns[table] = append(columns[table], column)
	}
	must(t, rows.Err())
	for _, table := range []string{"events", "payments", "transfers", "accounts", "idempotency_keys", "pins", "jobs"} {
		if len(columns[table]) == 0 {
			t.Fatalf("table %s was not found", table)
		}
	}
	return columns
}

func (w *world) sum(t testing.TB, table string, columns []string) tableSum {
	t.Helper()
	rows, err := w.DB.Read.QueryContext(t.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
	must(t, err)
	defer rows.Close()
	var s tableSum
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		must(t, rows.Scan(into...))
		row := sha256.Sum256(fmt.Append(nil, values...))
		s.rows++
		for i := range s.sum {
			s.sum[i] ^= row[i]
		}
	}
	must(t, rows.Err())
	return s
}

// same fails the test where a table differs.
func (s snapshot) same(t testing.TB, after snapshot, what string) {
	t.Helper()
	for _, table := range s.changed(after) {
		t.Errorf("%s changed table %s: %d rows, then %d", what, table, s[table].rows, after[table].rows)
	}
}

// changed returns the tables that differ, sorted.
func (s snapshot) changed(after snapshot) []string {
	var out []string
	for _, table := range slices.Sorted(maps.Keys(s)) {
		if s[table] != after[table] {
			out = append(out, table)
		}
	}
	return out
}
