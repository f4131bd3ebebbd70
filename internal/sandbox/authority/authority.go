// Package authority is the sandbox's outside parties that know people: an identity authority, a phone carrier, a card
// network, a bank that makes small deposits and a commercial database. They are real HTTP services behind one port,
// each with records of its own, reached by signed messages (RFC 9421) under /authority/v1.
//
// A question is decided once for each reference; asked again, the same is said. Documents with certain digits choose
// what goes wrong, see MagicDocuments; so do faults set by the control API under /control, which is not signed: it
// registers people, sets faults and shows deposits, for tests and demonstrations. All people are made up. The service
// must listen on a loopback or private address only.
package authority

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
)

// The channels, as they are named in paths.
const (
	channelAuthority  = "authority"
	channelCard       = "card"
	channelPhone      = "phone"
	channelTransfer   = "bank_transfer"
	channelCommercial = "commercial"
)

func channels() []string {
	return []string{channelAuthority, channelPhone, channelCard, channelTransfer, channelCommercial}
}

// closeWait is how long Close waits for answers on their way.
const closeWait = time.Second

// Config says how the parties are started.
type Config struct {
	// Listen is the TCP address; "" is a free port on the loopback address.
	Listen string
	// StatePath is the file that keeps people and decisions; "" keeps them in memory only.
	StatePath string
	// Keys are the parties' key and the platform's, of which the parties use the public half.
	Keys Keys
	// Clock tells the time; nil is the machine's clock.
	Clock *clock.Clock
	// Seed lists the people of an empty state; nil is SeedPeople.
	Seed []Person
	// SlowAnswer is the wait before a slow answer; default 2 s. Hold is how long a connection without an answer is held;
	// default 60 s, or until the client leaves.
	SlowAnswer, Hold time.Duration
	// Log gets warnings; nil drops them.
	Log *slog.Logger
}

// Keys are the two key pairs of a sandbox.
type Keys struct {
	Authority httpsig.PrivateKey `json:"authority"`
	Platform  httpsig.PrivateKey `json:"platform"`
}

// Check reports keys that are none.
func (k Keys) Check() error { return errors.Join(k.Authority.Check(), k.Platform.Check()) }

// LogValue returns the ids without the secrets.
func (k Keys) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("authority", k.Authority), slog.Any("platform", k.Platform))
}

// GenerateKeys returns fresh random keys.
func GenerateKeys() (Keys, error) {
	authority, err := httpsig.GenerateKey("sandbox-authority")
	if err != nil {
		return Keys{}, err
	}
	platform, err := httpsig.GenerateKey("platform-identity")
	if err != nil {
		return Keys{}, err
	}
	return Keys{Authority: authority, Platform: platform}, nil
}

// Server is the running parties. Its methods may be called by many goroutines.
type Server struct {
	config   Config
	platform httpsig.PublicKey
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	workers  sync.WaitGroup
	closing  sync.Once
	closed   error

	mu     sync.Mutex
	state  state
	faults []Fault
	nonces httpsig.Nonces
	asked  map[string]int // how often a reference was asked
}

// state is what is kept in the file.
type state struct {
	People    []Person            `json:"people"`
	Decisions map[string]decision `json:"decisions"` // by channel and reference
}

// decision is what was said to a reference, once and for all.
type decision struct {
	Fingerprint string           `json:"fingerprint"`
	Outcome     string           `json:"outcome"`
	DepositFen  int64            `json:"deposit_minor,omitempty"`
	Account     string           `json:"account_number,omitempty"`
	Tries       map[int64]string `json:"tries,omitempty"`
}

// Start reads the state, seeds it when it is new, and serves until Close. Errors: keys that are none, a state that
// cannot be read, an address that is taken.
func Start(ctx context.Context, config Config) (*Server, error) {
	if err := config.Keys.Check(); err != nil {
		return nil, fmt.Errorf("start the sandbox authority: %w; make keys with authority.GenerateKeys", err)
	}
	s := &Server{
		config: config.withDefaults(), platform: config.Keys.Platform.Public(), done: make(chan struct{}),
		asked: map[string]int{},
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("start the sandbox authority: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("start the sandbox authority: %w; choose another address with --authority-listen", err)
	}
	s.listener = listener
	s.server = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	}
	s.workers.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.ErrorContext(ctx, "the sandbox authority stopped serving", slog.Any("error", err))
		}
	})
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Clock == nil {
		c.Clock = new(clock.Clock)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.SlowAnswer <= 0 {
		c.SlowAnswer = 2 * time.Second
	}
	if c.Hold <= 0 {
		c.Hold = time.Minute
	}
	if c.Seed == nil {
		c.Seed = SeedPeople()
	}
	return c
}

// URL returns the address without a slash at the end: http://127.0.0.1:4711.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close stops the server. Held connections are dropped.
func (s *Server) Close() error {
	s.closing.Do(func() {
		close(s.done)
		ctx, cancel := context.WithTimeout(context.Background(), closeWait) //nolint:forbidigo // Close has no context
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			s.closed = s.server.Close()
		}
		s.workers.Wait()
	})
	return s.closed
}

// load reads the state, or makes a new one of the seed.
func (s *Server) load() error {
	s.state = state{Decisions: map[string]decision{}}
	text, err := os.ReadFile(s.config.StatePath)
	if s.config.StatePath == "" || errors.Is(err, fs.ErrNotExist) {
		for _, p := range s.config.Seed {
			if err := p.check(); err != nil {
				return fmt.Errorf("read the seed: %w", err)
			}
			s.state.People = append(s.state.People, p)
		}
		return nil // it is kept with the first change
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.state); err != nil {
		return fmt.Errorf("read %s: %w", s.config.StatePath, err)
	}
	if s.state.Decisions == nil {
		s.state.Decisions = map[string]decision{}
	}
	return nil
}

// save keeps the state; s.mu is held, or nobody serves yet.
func (s *Server) save() error {
	if s.config.StatePath == "" {
		return nil
	}
	text, err := json.MarshalIndent(s.state, "", " ")
	if err != nil {
		return err
	}
	fresh := s.config.StatePath + "." + rand.Text()
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, s.config.StatePath)
}
