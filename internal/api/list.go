package api

import (
	"encoding"
	"encoding/base64"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
)

// cursorMax is the longest id that a cursor holds.
const cursorMax = 200

// Paging is embedded in the request of every list, newest first.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Most rows in the answer."`
	Cursor Cursor `query:"cursor" doc:"next_cursor of the page before; leave it out for the first page."`
}

// Cursor is the id of the last row of the page before, "" for the first page. Outside it is opaque.
type Cursor string

var _ encoding.TextUnmarshaler = (*Cursor)(nil)

// UnmarshalText reads what next_cursor said. Errors: request.bad_cursor.
func (c *Cursor) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(raw) == 0 || len(raw) > cursorMax || !visible(string(raw)) {
		return fault.New(fault.Invalid, "request.bad_cursor", "this cursor is none of ours").
			WithHint("send next_cursor of the page before as it is")
	}
	*c = Cursor(raw)
	return nil
}

// String returns the opaque form.
func (c Cursor) String() string { return base64.RawURLEncoding.EncodeToString([]byte(c)) }

// Page is one page of a list.
type Page[T any] struct {
	Data       []T    `json:"data" doc:"The rows, newest first."`
	HasMore    bool   `json:"has_more" doc:"Whether there is a next page."`
	NextCursor string `json:"next_cursor,omitempty" doc:"Cursor of the next page."`
}

// NewPage makes a page of at most limit rows. Give it one row more than limit where there are more, and
// the function that names a row.
func NewPage[T any](rows []T, limit int, key func(T) string) *Page[T] {
	page := &Page[T]{Data: rows}
	if len(rows) > limit {
		page.Data, page.HasMore = rows[:limit], true
		page.NextCursor = Cursor(key(rows[limit-1])).String()
	}
	return page
}

// TimeRange is embedded in the request of a list that can be cut by time: From is in, To is out; a zero
// time is no bound.
type TimeRange struct {
	From time.Time `query:"from" doc:"First instant." example:"2026-11-22T00:00:00Z"`
	To   time.Time `query:"to" doc:"First instant after the range." example:"2026-11-23T00:00:00Z"`
}

// Check refuses a range that ends before it begins. Errors: request.bad_field.
func (r *TimeRange) Check() error {
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return fault.New(fault.Invalid, codeBadField, "the range ends before it begins").WithParam("to")
	}
	return nil
}
