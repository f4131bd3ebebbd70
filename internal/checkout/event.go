package checkout

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/payment"
)

// Limits of streams of server-sent events. Who gets none polls.
const (
	streamsMax   = 2000
	streamFor    = 2 * time.Minute
	streamBeat   = 15 * time.Second
	streamRetry  = 2 * time.Second
	writeTimeout = 10 * time.Second
)

// streamState is GET /pay/{id}/events: the payment's state now and whenever its phase changes, until it is final or
// the stream's time is over; browsers then come again by themselves.
func (c *Checkouts) streamState(w http.ResponseWriter, r *http.Request) {
	known, err := c.opened(r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	go func() {
		select {
		case <-c.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies of the nginx kind pass it on at once
	s := stream{w: w, control: http.NewResponseController(w)}
	if s.send(fmt.Sprintf("retry: %d\n", streamRetry.Milliseconds()), c.tell(&known)) {
		c.follow(ctx, &s, known)
	}
}

// follow sends what becomes of a payment.
func (c *Checkouts) follow(ctx context.Context, s *stream, known payment.Payment) {
	said := phaseOf(&known, c.Clock.Now())
	for said != phasePaid && said != phaseClosed {
		beat, cancel := context.WithTimeout(ctx, streamBeat)
		err := c.Outbox.Wait(beat, string(known.ID), func(ctx context.Context) (bool, error) {
			now, err := c.Payments.Payment(ctx, known.ID)
			if ctx.Err() != nil {
				return false, nil //nolint:nilerr // the beat is over
			}
			if err == nil {
				known = now
			}
			return phaseOf(&known, c.Clock.Now()) != said, err
		})
		cancel()
		if err != nil || ctx.Err() != nil {
			return
		}
		if phase := phaseOf(&known, c.Clock.Now()); phase != said {
			said = phase
			if !s.send("", c.tell(&known)) {
				return
			}
			continue
		}
		if !s.beat() {
			return
		}
	}
}

// stream writes server-sent events (HTML Living Standard §9.2).
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) send(prefix string, what told) bool {
	body, err := json.Marshal(what)
	return err == nil && s.write(prefix+"event: state\ndata: "+string(body)+"\n\n")
}

// beat keeps proxies from closing a silent connection, and finds out who has gone.
func (s *stream) beat() bool { return s.write(": \n\n") }

// write sends at once. The server's own limit for an answer's time is moved on: a stream is longer than a request.
func (s *stream) write(text string) bool {
	limit := time.Now().Add(writeTimeout) //nolint:forbidigo // the network's time
	if err := s.control.SetWriteDeadline(limit); err != nil {
		return false
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
