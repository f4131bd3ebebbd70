package audit

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Format is how an export is written.
type Format string

// The formats of exports.
const (
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
)

const exportPage = 1000

// Export writes all records of a query, newest first, a page at a time. It reads each page by itself, so that no
// transaction stays open while a slow reader reads.
func (t *Trail) Export(ctx context.Context, w io.Writer, format Format, q Query) error {
	write, flush := jsonWriter(w)
	if format == CSV {
		write, flush = csvWriter(w)
	}
	q.Limit = exportPage
	for {
		records, more, err := t.Search(ctx, q)
		if err != nil {
			return err
		}
		for i := range records {
			if err := write(&records[i]); err != nil {
				return fmt.Errorf("export audit records: %w", err)
			}
		}
		if err := flush(); err != nil {
			return fmt.Errorf("export audit records: %w", err)
		}
		if !more {
			return nil
		}
		q.Cursor = records[len(records)-1].Cursor()
	}
}

func jsonWriter(w io.Writer) (write func(*Record) error, flush func() error) {
	return func(r *Record) error {
		text, err := json.Marshal(r, json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	}, func() error { return nil }
}

func csvWriter(w io.Writer) (write func(*Record) error, flush func() error) {
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 §2
	headed := false
	head := func() error {
		if headed {
			return nil
		}
		headed = true
		return out.Write([]string{
			"n", "id", "at", "kind", "actor_kind", "actor", "credential", "device", "address", "request_id", "subject",
			"proposal_id", "reason", "before", "after", "hash",
		})
	}
	return func(r *Record) error {
			if err := head(); err != nil {
				return err
			}
			row := []string{
				strconv.FormatInt(r.N, 10), string(r.ID), r.At.UTC().Format(time.RFC3339Nano), r.Kind, string(r.ActorKind),
				r.Actor, r.Credential, r.Device, r.Address, r.Request, r.Subject, string(r.Proposal), r.Reason, r.Before, r.After,
				r.Hash,
			}
			for i := range row {
				row[i] = Cell(row[i])
			}
			return out.Write(row)
		}, func() error {
			if err := head(); err != nil {
				return err
			}
			out.Flush()
			return out.Error()
		}
}

// Cell returns a text as a cell that no spreadsheet takes for a formula: what begins with one of = + - @, their
// full-width forms, a tab or a line break gets an apostrophe in front (OWASP, CSV Injection).
func Cell(text string) string {
	if text == "" {
		return text
	}
	trimmed := strings.TrimLeft(text, " \u00a0\ufeff")
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(trimmed, sign) {
			return "'" + text
		}
	}
	return text
}
