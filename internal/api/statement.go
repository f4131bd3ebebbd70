package api

import (
	"context"
	"strconv"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/ledger"
)

// A statement's cursor is the number of the last posting on the page.

func postingNumber(c Cursor) (int64, error) {
	if c == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(c), 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "request.bad_cursor", "this cursor is none of ours").WithParam("cursor")
	}
	return n, nil
}

func postingCursor(p ledger.Posting) string { return strconv.FormatInt(p.N, 10) }

// WaitSeconds is embedded in the request of what may still change.
type WaitSeconds struct {
	Wait int `query:"wait" minimum:"0" maximum:"25" doc:"Hold the request until the state is final, at most so many seconds."`
}

// await reads a subject until final says so or the time is over.
func await[T any](
	ctx context.Context,
	s *Services,
	w WaitSeconds,
	subject string,
	read func(context.Context) (T, bool, error),
) (*T, error) {
	out, final, err := read(ctx)
	if err != nil || final || w.Wait == 0 {
		return &out, err
	}
	waiting, cancel := context.WithTimeout(ctx, secondsOf(w.Wait))
	defer cancel()
	err = s.Outbox.Wait(waiting, subject, func(context.Context) (bool, error) {
		// The read may outlive the wait by a moment: its own context is the request's.
		var err error
		out, final, err = read(ctx)
		return final, err
	})
	return &out, err
}
