// Package issuer is the sandbox's card issuer: a real HTTP server with people, cards and bindings in a database file of
// its own. It stands for all banks whose cards are bound. The platform reaches it by signed messages (RFC 9421) under
// /issuer/v1: it checks four elements (name, document number, card number, phone), sends a one-time code, signs a quick
// pay agreement when the code comes back, and ends it.
//
// It is a bank, too: each card has an account in its books, a card's token debits and credits it by the orders of
// package bank, under /issuer/v1, within the agreement's limits, and signed notices tell of bookings. Amounts of a
// certain form choose what goes wrong with an order; see MagicAmounts.
//
// The code goes to no phone: GET /control/codes shows it. A reference is used once: the same call again gets the same
// answer. Numbers of a certain form choose what goes wrong; see MagicNumbers.
//
// The control API under /control is not signed and shows made-up people; the issuer must listen on a loopback or
// private address only.
package issuer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

const closeWait = time.Second

// Keys are the two key pairs of a sandbox's issuer.
type Keys struct {
	Issuer   httpsig.PrivateKey `json:"issuer"`
	Platform httpsig.PrivateKey `json:"platform"`
}

// LogValue returns the ids without the secrets.
func (k Keys) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("issuer", k.Issuer), slog.Any("platform", k.Platform))
}

// GenerateKeys returns fresh random keys.
func GenerateKeys() (Keys, error) {
	issuer, err := httpsig.GenerateKey("sandbox-issuer")
	if err != nil {
		return Keys{}, err
	}
	platform, err := httpsig.GenerateKey("platform")
	return Keys{Issuer: issuer, Platform: platform}, err
}

// Config says how the issuer is started.
type Config struct {
	// Listen is the TCP address; "" is a free port on the loopback address.
	Listen string
	// DatabasePath is the SQLite file; "" is a temporary file that Close removes.
	DatabasePath string
	// Keys are the issuer's key and the platform's, of which the issuer uses the public half.
	Keys Keys
	// NotifyURL is where notices of bookings are posted; "" keeps them until Books().Notify gives one.
	NotifyURL string
	// Clock tells the time; nil is the machine's clock.
	Clock *clock.Clock
	// Timing overrides how long it takes where a number or an amount makes it slow.
	Timing bank.Timing
	// Log gets warnings; nil drops them. It never gets a number, a name or a code.
	Log *slog.Logger
}

// Server is a running issuer. Its methods may be called by many goroutines.
type Server struct {
	config   Config
	platform httpsig.PublicKey
	books    *bank.Server
	db       *sql.DB // of the books; cards and bindings stand beside them
	tempDir  string
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	serving  sync.WaitGroup
	shutdown func() error
	closing  sync.Once
	closed   error

	mu     sync.Mutex
	nonces httpsig.Nonces
	failed map[string]bool // references whose cancel failed once, as their number asks
}

// Start opens the database, seeds it when it is empty, and serves until Close.
//
// Errors: keys that are none, a database that cannot be opened, an address that is taken.
func Start(ctx context.Context, config Config) (*Server, error) {
	if err := errors.Join(config.Keys.Issuer.Check(), config.Keys.Platform.Check()); err != nil {
		return nil, fmt.Errorf("start the sandbox issuer: %w; make keys with issuer.GenerateKeys", err)
	}
	if config.Clock == nil {
		config.Clock = new(clock.Clock)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Timing.Hold <= 0 {
		config.Timing.Hold = time.Minute
	}
	s := &Server{
		config: config, platform: config.Keys.Platform.Public(), done: make(chan struct{}),
		failed: map[string]bool{},
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("start the sandbox issuer: %w", errors.Join(err, s.release()))
	}
	s.server = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	s.shutdown = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			return s.server.Close()
		}
		return nil
	}
	s.serving.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.ErrorContext(ctx, "the sandbox issuer stopped serving", slog.Any("error", err))
		}
	})
	return s, nil
}

func (s *Server) open(ctx context.Context) error {
	path := s.config.DatabasePath
	if path == "" {
		dir, err := os.MkdirTemp("", "feiqian-issuer-")
		if err != nil {
			return err
		}
		s.tempDir, path = dir, dir+"/issuer.db"
	}
	var (
		accounts []bank.SeedAccount
		err      error
	)
	for _, c := range SeedCards() {
		accounts = append(accounts, c.account())
	}
	s.books, err = bank.Open(ctx, bank.Config{
		DatabasePath: path, NotifyURL: s.config.NotifyURL, Clock: s.config.Clock, Timing: s.config.Timing, Log: s.config.Log,
		Keys: bank.Keys{Bank: s.config.Keys.Issuer, Platform: s.config.Keys.Platform},
		Seed: accounts, Prefix: "/issuer/v1", Magic: MagicAmounts(), AccountOf: s.accountOf,
	})
	if err != nil {
		return err
	}
	s.db = s.books.DB()
	if err := s.seed(ctx); err != nil {
		return err
	}
	address := s.config.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
	return err
}

// URL returns the issuer's address without a slash at the end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Books returns the books of the cards' accounts, for their control.
func (s *Server) Books() *bank.Server { return s.books }

// Close stops serving. A second Close returns what the first one did.
func (s *Server) Close() error {
	s.closing.Do(func() {
		close(s.done)
		err := s.shutdown()
		s.serving.Wait()
		s.closed = errors.Join(err, s.release())
	})
	return s.closed
}

func (s *Server) release() error {
	var errs []error
	if s.server == nil && s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.books != nil {
		errs = append(errs, s.books.Close())
	}
	if s.tempDir != "" {
		errs = append(errs, os.RemoveAll(s.tempDir))
	}
	return errors.Join(errs...)
}
