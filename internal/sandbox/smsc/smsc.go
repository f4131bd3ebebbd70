// Package smsc is the sandbox's SMS centre: a real HTTP server that takes texts under /sms/v1/messages and shows the
// phones' inboxes under /control. It delivers once for each message id, unless a fault is set.
//
// The control API is not signed: it shows every text, one-time codes too. The centre reaches no real phone and
// must listen on a loopback or private address only.
package smsc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/sandbox"
)

const (
	inboxMax  = 100 // texts that one phone keeps
	phonesMax = 10_000
	bodyMax   = 8 << 10
	textMax   = 670 // characters: ten parts of a Chinese text
	closeWait = time.Second
)

// Config says how the centre is started.
type Config struct {
	// Listen is the TCP address; "" is a free port on the loopback address.
	Listen string
	// Key is the bearer key of the platform.
	Key string
	// Clock tells the time; nil is the machine's clock.
	Clock *clock.Clock
}

// Text is one text in a phone's inbox.
type Text struct {
	ID         string    `json:"id"`
	To         string    `json:"to"`
	Text       string    `json:"text"`
	ReceivedAt time.Time `json:"received_at"`
}

// Faults are troubles of the centre. Each counts down to zero with the messages it strikes.
type Faults struct {
	// Lose takes that many messages and delivers none.
	Lose int `json:"lose"`
	// Duplicate delivers that many twice.
	Duplicate int `json:"duplicate"`
	// Refuse refuses that many for good (422).
	Refuse int `json:"refuse"`
	// Fail answers 503 to that many; they may come again.
	Fail int `json:"fail"`
	// DelayMS is how long each delivery takes, in milliseconds, until it is set anew.
	DelayMS int64 `json:"delay_ms"`
}

// Server is a running centre. Its methods may be called by many goroutines.
type Server struct {
	key      string
	clock    *clock.Clock
	listener net.Listener
	server   *http.Server
	served   chan struct{}

	mu      sync.Mutex
	faults  Faults
	inboxes map[string][]Text
	seen    map[string]bool
	late    sync.WaitGroup
	done    chan struct{}
	closing sync.Once
}

// Start serves until Close. Errors: no key, an address that is taken.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Key == "" {
		return nil, errors.New("start the sandbox SMS centre: the key is missing")
	}
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	if config.Clock == nil {
		config.Clock = new(clock.Clock)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("start the sandbox SMS centre: %w", err)
	}
	s := &Server{
		key: config.Key, clock: config.Clock, listener: listener, served: make(chan struct{}), done: make(chan struct{}),
		inboxes: map[string][]Text{}, seen: map[string]bool{},
	}
	s.server = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ends with Close
	}()
	return s, nil
}

// URL returns the centre's address without a slash at the end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close stops the server; texts that are still delayed are dropped.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		ctx, cancel := context.WithTimeout(context.Background(), closeWait) //nolint:forbidigo // io.Closer has none
		defer cancel()
		if err = s.server.Shutdown(ctx); err != nil {
			err = s.server.Close()
		}
		<-s.served
		s.late.Wait()
	})
	return err
}

// SetFaults replaces the troubles.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Inbox returns what a phone (E.164) has received, oldest first.
func (s *Server) Inbox(phone string) []Text {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Text{}, s.inboxes[phone]...)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sms/v1/messages", s.submit)
	mux.HandleFunc("GET /control/messages", func(w http.ResponseWriter, r *http.Request) {
		phone := r.URL.Query().Get("phone")
		if strings.HasPrefix(phone, " ") { // a plus sign that was not escaped
			phone = "+" + phone[1:]
		}
		sandbox.Write(w, http.StatusOK, map[string]any{"messages": s.Inbox(phone)})
	})
	mux.HandleFunc("GET /control/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		faults := s.faults
		s.mu.Unlock()
		sandbox.Write(w, http.StatusOK, faults)
	})
	mux.HandleFunc("POST /control/faults", func(w http.ResponseWriter, r *http.Request) {
		var faults Faults
		if !sandbox.Read(w, r, &faults) {
			return
		}
		s.SetFaults(faults)
		sandbox.Write(w, http.StatusOK, faults)
	})
	return mux
}

type submission struct {
	ID        string    `json:"id"`
	To        string    `json:"to"`
	Text      string    `json:"text"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Server) submit(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.key)) != 1 {
		sandbox.Write(w, http.StatusUnauthorized, map[string]string{"code": "bad_key"})
		return
	}
	var m submission
	if !sandbox.Read(w, r, &m) {
		return
	}
	if m.ID == "" || !strings.HasPrefix(m.To, "+") || m.Text == "" || len([]rune(m.Text)) > textMax {
		sandbox.Write(w, http.StatusUnprocessableEntity, map[string]string{"code": "bad_message"})
		return
	}
	sandbox.Write(w, s.take(m), map[string]string{"id": m.ID})
}

// take decides about one message and returns the status of the answer.
func (s *Server) take(m submission) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	strikes := func(left *int) bool {
		if *left <= 0 {
			return false
		}
		*left--
		return true
	}
	switch {
	case s.seen[m.ID]:
		return http.StatusAccepted
	case strikes(&s.faults.Fail):
		return http.StatusServiceUnavailable
	case strikes(&s.faults.Refuse):
		return http.StatusUnprocessableEntity
	}
	s.seen[m.ID] = true
	if strikes(&s.faults.Lose) {
		return http.StatusAccepted
	}
	times := 1
	if strikes(&s.faults.Duplicate) {
		times++
	}
	wait := min(time.Duration(s.faults.DelayMS)*time.Millisecond, time.Minute)
	if wait <= 0 {
		s.deliver(m, times)
		return http.StatusAccepted
	}
	s.late.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-s.done:
		case <-timer.C:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.deliver(m, times)
		}
	})
	return http.StatusAccepted
}

// deliver puts a text into its inbox; the caller holds the lock.
func (s *Server) deliver(m submission, times int) {
	if len(s.inboxes) >= phonesMax {
		clear(s.inboxes) // a sandbox that nobody restarts
		clear(s.seen)
	}
	for range times {
		s.inboxes[m.To] = append(s.inboxes[m.To], Text{ID: m.ID, To: m.To, Text: m.Text, ReceivedAt: s.clock.Now()})
	}
	if over := len(s.inboxes[m.To]) - inboxMax; over > 0 {
		s.inboxes[m.To] = s.inboxes[m.To][over:]
	}
}

// CodeIn returns the one-time code that a text carries, "" where it carries none: for demonstrations and tests, which
// read the inbox as a person would.
func CodeIn(text string) string {
	found := regexp.MustCompile(`(?:验证码|is|code) ([0-9]{6})`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}
