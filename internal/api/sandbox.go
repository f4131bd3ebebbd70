package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
)

// What only a sandbox has, and the door for channels' notices.

func (s *Services) sandboxEndpoints() []Endpoint {
	if s.Mode != config.Sandbox {
		return nil
	}
	return []Endpoint{Handle(Route{
		Method: post, Path: "/ops/v1/sandbox/clock", Actor: ActorStaff, Permission: string(auth.Operate),
		Tag: "Sandbox", Name: "advance_clock", Summary: "Move the sandbox's clock forward",
	}, s.advanceClock)}
}

type advanceClockBody struct {
	Seconds int64 `json:"seconds" minimum:"1" maximum:"31622400" doc:"How far forward."`
}

type advanceClockRequest struct {
	Body advanceClockBody
}

// Now is the instance's time.
type Now struct {
	Now time.Time `json:"now"`
}

func (s *Services) advanceClock(ctx context.Context, req *advanceClockRequest) (*Now, error) {
	if err := s.Trail.Write(ctx, audit.Act{Kind: "clock.advanced", After: req.Body}); err != nil {
		return nil, err
	}
	s.Clock.Advance(time.Duration(req.Body.Seconds) * time.Second)
	if s.ClockMoved != nil {
		if err := s.ClockMoved(s.Clock.Ahead()); err != nil {
			return nil, err
		}
	}
	return &Now{Now: s.Clock.Now()}, nil
}

const noticeMax = 64 << 10

// Notices is the door for a channel's callbacks. A notice that is not the channel's gets 400 and changes nothing; one
// about an order that we do not have gets 204, so that it is not sent again, and is reported.
func (s *Services) Notices(name string, reader channel.NoticeReader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, noticeMax))
		if err != nil {
			http.Error(w, "the notice is too large or broke off", http.StatusBadRequest)
			return
		}
		notice, err := reader.ReadNotice(channel.Callback{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		})
		if err != nil {
			http.Error(w, "this notice is not signed by the channel", http.StatusBadRequest)
			return
		}
		err = s.Attempts.Notice(r.Context(), name, notice)
		switch kind := fault.KindOf(err); {
		case err == nil, kind == fault.NotFound, kind == fault.Conflict:
			w.WriteHeader(http.StatusNoContent)
		default:
			http.Error(w, "come back later", http.StatusServiceUnavailable)
		}
	})
}
