package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Query asks for records, newest first. Empty members do not narrow it; From is in, To is out. Cursor is
// Record.Cursor of the last record of the page before.
type Query struct {
	Actor, Kind, Subject, Address string
	From, To                      time.Time
	Cursor                        string
	Limit                         int
}

// Cursor names the record's place in the order of Search.
func (r *Record) Cursor() string {
	return strconv.FormatInt(clock.Micros(r.At), 10) + "." + string(r.ID)
}

const recordColumns = `id, at, kind, actor_kind, actor, credential, device, address, request_id, subject, proposal_id,
	reason, before_json, after_json, COALESCE(n, 0), hash`

// Search returns records, and whether there are more. Errors: audit.bad_cursor.
func (t *Trail) Search(ctx context.Context, q Query) ([]Record, bool, error) {
	where, args, err := q.where()
	if err != nil {
		return nil, false, err
	}
	args = append(args, q.Limit+1)
	records, err := queryRecords(
		ctx,
		t.db.Read,
		where+fmt.Sprintf(" ORDER BY at DESC, id DESC LIMIT $%d", len(args)),
		args...)
	if err != nil {
		return nil, false, fault.Wrap(t.db.Fault(err), "search audit records")
	}
	if len(records) > q.Limit {
		return records[:q.Limit], true, nil
	}
	return records, false, nil
}

// where returns the conditions of a query and their values.
func (q *Query) where() (string, []any, error) {
	conditions, args := []string{"1 = 1"}, []any{}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	for _, equal := range [][2]string{
		{"actor", q.Actor}, {"kind", q.Kind}, {"subject", q.Subject}, {"address", q.Address},
	} {
		if equal[1] != "" {
			add(equal[0]+" = ?", equal[1])
		}
	}
	if !q.From.IsZero() {
		add("at >= ?", clock.Micros(q.From))
	}
	if !q.To.IsZero() {
		add("at < ?", clock.Micros(q.To))
	}
	if q.Cursor != "" {
		micros, name, _ := strings.Cut(q.Cursor, ".")
		at, err := strconv.ParseInt(micros, 10, 64)
		if _, idErr := id.Parse[id.Audit](name); err != nil || idErr != nil {
			return "", nil, fault.New(fault.Invalid, "audit.bad_cursor", "this cursor is none of ours").WithParam("cursor")
		}
		add("(at, id) < (?, ?)", at, name)
	}
	return "WHERE " + strings.Join(conditions, " AND "), args, nil
}

func queryRecords(ctx context.Context, q querier, rest string, args ...any) ([]Record, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+recordColumns+" FROM audit_records "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	records := []Record{}
	for rows.Next() {
		var r Record
		var at int64
		var hash []byte
		err := rows.Scan(&r.ID, &at, &r.Kind, &r.ActorKind, &r.Actor, &r.Credential, &r.Device, &r.Address, &r.Request,
			&r.Subject, &r.Proposal, &r.Reason, &r.Before, &r.After, &r.N, &hash)
		if err != nil {
			return nil, err
		}
		r.At = clock.FromMicros(at)
		if len(hash) > 0 {
			r.Hash = base64.StdEncoding.EncodeToString(hash)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}
