package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Report is what Verify found. Every failure names the exact record or head.
type Report struct {
	// Records have their place in the chain; Waiting ones wait for it.
	Records int64 `json:"records"`
	Waiting int64 `json:"waiting"`
	Heads   int64 `json:"heads"`
	// SignaturesChecked says that keys were given and each head's signature was checked.
	SignaturesChecked bool      `json:"signatures_checked"`
	Failures          []Failure `json:"failures"`
	// FailuresMore counts what was found beyond the first 1000.
	FailuresMore int64 `json:"failures_more"`
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Failures) == 0 }

// Failure is one thing that is not as it must be. Check is record, chain or head.
type Failure struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	Message string `json:"message"`
}

// VerifyOptions are the knobs of Verify.
type VerifyOptions struct {
	// TrustedKeys are the chain's verifier keys, past ones included; without any, signatures are not checked.
	TrustedKeys []string
	// Progress, if set, is called now and then with the number of records read and to read.
	Progress func(done, total int64)
}

const (
	failuresMax = 1000
	verifyPage  = 2000
)

// Verify checks the audit trail on one snapshot of the database: places are numbered from 1 without a gap, each
// record's hash follows from the hash before it and from its own fields, each head says what the chain has and is
// signed, and every chained record is covered by a head. Memory does not grow with the trail.
//
// The error is for what kept it from reading. Errors: audit.bad_trusted_key.
func Verify(ctx context.Context, db *sqldb.DB, options VerifyOptions) (Report, error) {
	v := &verification{progress: options.Progress, hash: make([]byte, sha256.Size), report: Report{Failures: []Failure{}}}
	if v.progress == nil {
		v.progress = func(int64, int64) {}
	}
	for _, text := range options.TrustedKeys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return Report{}, fault.New(fault.Invalid, "audit.bad_trusted_key", "this is not a verifier key").
				WithHint("a key is written name+hash+key").WithCause(err)
		}
		v.keys = append(v.keys, key)
	}
	// PostgreSQL gives a snapshot for REPEATABLE READ; SQLite gives one to every reader.
	tx, err := db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return Report{}, fault.Wrap(db.Fault(err), "verify the audit trail: begin")
	}
	defer tx.Rollback()
	v.q = tx
	if err := v.run(ctx); err != nil {
		return v.report, fault.Wrap(db.Fault(err), "verify the audit trail")
	}
	v.report.SignaturesChecked = len(v.keys) > 0
	return v.report, nil
}

// verification is a Verify under way.
type verification struct {
	q        querier
	keys     []note.Verifier
	progress func(done, total int64)
	report   Report
	last     int64  // place of the record read last
	hash     []byte // of the chain there, as its rows say
	heads    []Head
	headed   int64 // size of the newest head read
}

func (v *verification) fail(check, subject, format string, args ...any) {
	if len(v.report.Failures) >= failuresMax {
		v.report.FailuresMore++
		return
	}
	v.report.Failures = append(v.report.Failures,
		Failure{Check: check, Subject: subject, Message: fmt.Sprintf(format, args...)})
}

func (v *verification) run(ctx context.Context) error {
	var total int64
	err := v.q.QueryRowContext(ctx, "SELECT count(n), count(*) - count(n) FROM audit_records").
		Scan(&total, &v.report.Waiting)
	if err != nil {
		return err
	}
	if err := v.nextHeads(ctx); err != nil {
		return err
	}
	for {
		page, err := queryRecords(ctx, v.q, "WHERE n > $1 ORDER BY n LIMIT $2", v.last, verifyPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := v.record(ctx, &page[i]); err != nil {
				return err
			}
		}
		v.progress(v.report.Records, total)
		if len(page) < verifyPage {
			return v.end(ctx, total)
		}
	}
}

// record checks one record against the hash before it, which is taken as its row says, so that one wrong
// record is one failure.
func (v *verification) record(ctx context.Context, r *Record) error {
	v.report.Records++
	if r.N != v.last+1 {
		v.fail("chain", strconv.FormatInt(v.last+1, 10), "record %d is missing; the next one is %d, %s", v.last+1, r.N, r.ID)
	} else if want := base64.StdEncoding.EncodeToString(digest(v.hash, r.N, r)); r.Hash != want {
		v.fail(
			"record",
			string(r.ID),
			"record %d is not what was chained: its hash is %s, its fields give %s",
			r.N,
			r.Hash,
			want,
		)
	}
	v.last = r.N
	v.hash, _ = base64.StdEncoding.DecodeString(r.Hash) // as scanned from bytes
	for len(v.heads) > 0 && v.heads[0].Size <= r.N {
		head := v.heads[0]
		v.heads = v.heads[1:]
		v.head(&head, r)
		if len(v.heads) == 0 {
			if err := v.nextHeads(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// head checks a head against the record at its end.
func (v *verification) head(h *Head, r *Record) {
	subject := strconv.FormatInt(h.Size, 10)
	if h.Size != r.N {
		v.fail("head", subject, "it signs %d records, and record %d is missing", h.Size, h.Size)
	} else if h.Hash != r.Hash {
		v.fail("head", subject, "its hash is %s, that of the chain is %s", h.Hash, r.Hash)
	}
	if err := openHead(h, v.keys); err != nil {
		v.fail("head", subject, "%v", err)
	}
}

// end looks for heads beyond the last record and for records beyond the last head, which every step signs.
func (v *verification) end(ctx context.Context, total int64) error {
	newest := v.headed
	for len(v.heads) > 0 {
		for i := range v.heads {
			v.fail(
				"head",
				strconv.FormatInt(v.heads[i].Size, 10),
				"it signs %d records, the chain has %d",
				v.heads[i].Size,
				v.last,
			)
			if err := openHead(&v.heads[i], v.keys); err != nil {
				v.fail("head", strconv.FormatInt(v.heads[i].Size, 10), "%v", err)
			}
		}
		if err := v.nextHeads(ctx); err != nil {
			return err
		}
		newest = v.headed
	}
	if newest < v.last {
		v.fail("head", strconv.FormatInt(v.last, 10), "the newest head signs %d records, the chain has %d", newest, v.last)
	}
	if v.report.Records != total {
		v.fail(
			"chain",
			strconv.FormatInt(v.last, 10),
			"%d records have a place, %d of them from 1 on",
			total,
			v.report.Records,
		)
	}
	return nil
}

// nextHeads reads the next page of heads, by size.
func (v *verification) nextHeads(ctx context.Context) error {
	rows, err := v.q.QueryContext(ctx,
		"SELECT size, hash, note, created_at FROM audit_heads WHERE size > $1 ORDER BY size LIMIT $2", v.headed, verifyPage)
	if err != nil {
		return err
	}
	defer rows.Close()
	v.heads = v.heads[:0:0]
	for rows.Next() {
		head, err := scanHead(rows.Scan)
		if err != nil {
			return err
		}
		v.heads = append(v.heads, head)
		v.headed = head.Size
		v.report.Heads++
	}
	return rows.Err()
}
