package audit

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// TestPagesSeek wants a page to begin where the one before ended: an export that read from the newest record again for
// each page would take the square of its length. SQLite says how it reads; both engines have the same indexes.
func TestPagesSeek(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		if !strings.HasSuffix(t.Name(), "sqlite") {
			return
		}
		for name, q := range map[string]Query{
			"at": {}, "actor": {Actor: "stf_1"}, "subject": {Subject: "mer_1"}, "address": {Address: "192.0.2.1"},
		} {
			q.Cursor = "1700000000000000.aud_01kanq4j3qf8yt0v5d7r2m9xce"
			where, args, err := q.where()
			if err != nil {
				t.Fatal(err)
			}
			var id, parent, unused int64
			var plan string
			err = db.Read.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN SELECT "+recordColumns+" FROM audit_records "+where+
				" ORDER BY at DESC, id DESC LIMIT 10", args...).Scan(&id, &parent, &unused, &plan)
			if err != nil || !strings.Contains(plan, "SEARCH") || !strings.Contains(plan, "(at,id)<(?,?)") {
				t.Errorf("%s: %q, %v", name, plan, err)
			}
		}
	})
}
