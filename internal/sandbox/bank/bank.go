// Package bank is the sandbox's bank: a real HTTP server with books of its own in a database file of
// its own. The platform reaches it as it would reach a bank, by signed messages (RFC 9421) under
// /bank/v1, and is told of bookings by signed notices.
//
// The bank keeps customers' accounts and the platform's reserve account for each currency in double
// entry: every movement has a debit and a credit account, no balance goes below zero but that of the
// bank's own capital, and all balances together are zero, always. An order is booked once for each
// reference; the same reference again gets the stored answer, another order under it is refused.
// A notice goes out for each booking, and when a pending order is decided; not for an order declined
// at once.
//
// Amounts of a certain form choose what goes wrong; see MagicAmounts.
//
// The control API under /control is not signed: it opens accounts, sets faults and sends notices again,
// for tests and demonstrations. The bank holds no real money and must listen on a loopback or
// private address only.
package bank

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
	"github.com/feiqian/feiqian/internal/money"
)

// Name is the bank's name as bindings show it.
const Name = "Feiqian Sandbox Bank"

// closeWait is how long Close waits for answers on their way.
const closeWait = time.Second

// Config says how the bank is started.
type Config struct {
	// Listen is the TCP address; "" is a free port on the loopback address.
	Listen string
	// DatabasePath is the SQLite file of the bank's books; "" is a temporary file that Close removes.
	DatabasePath string
	// NotifyURL is where notices are posted; "" keeps them until Notify gives one.
	NotifyURL string
	// Keys are the bank's key and the platform's, of which the bank uses the public half.
	Keys Keys
	// Clock tells the time; nil is the machine's clock.
	Clock *clock.Clock
	// Seed lists the accounts of an empty database; nil is SeedAccounts.
	Seed []SeedAccount
	// Prefix is where the signed endpoints stand; "" is /bank/v1.
	Prefix string
	// Magic is the table of amounts that choose an outcome; nil is MagicAmounts.
	Magic []MagicAmount
	// AccountOf finds the account of a pay-in or pay-out; nil looks for the one that has the order's token, which
	// binding gives out.
	AccountOf AccountOf
	// Timing overrides how long the magic amounts take.
	Timing Timing
	// Log gets warnings; nil drops them.
	Log *slog.Logger
}

// Timing says how long the bank takes where a magic amount makes it slow. Zero is the default.
type Timing struct {
	// SlowAnswer is the wait before a slow answer; default 2 s.
	SlowAnswer time.Duration
	// Hold is how long an unanswered connection is held before it is dropped; default 60 s. It ends
	// earlier when the client leaves.
	Hold time.Duration
	// PendingFor is how long an order stays pending; default 1 s.
	PendingFor time.Duration
	// LateNotice is how late a late notice is; default 5 s.
	LateNotice time.Duration
	// Contradiction is how long after the true notice the contradicting one goes out; default 1 s.
	Contradiction time.Duration
}

// Order is a pay-in or pay-out whose account is looked for.
type Order struct {
	Token  string
	PayIn  bool
	Amount money.Amount
}

// AccountOf returns the number of an order's account, in the transaction that books it, or the decline code that says
// why there is none to use.
type AccountOf func(ctx context.Context, tx *sql.Tx, order Order) (number, decline string, err error)

// Keys are the two key pairs of a sandbox. The caller generates them once with GenerateKeys and
// keeps them, as JSON, in a file that only its owner may read.
type Keys struct {
	Bank     httpsig.PrivateKey `json:"bank"`
	Platform httpsig.PrivateKey `json:"platform"`
}

// LogValue returns the ids without the secrets.
func (k Keys) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("bank", k.Bank), slog.Any("platform", k.Platform))
}

// GenerateKeys returns fresh random keys.
func GenerateKeys() (Keys, error) {
	bank, err := httpsig.GenerateKey("sandbox-bank")
	if err != nil {
		return Keys{}, err
	}
	platform, err := httpsig.GenerateKey("platform")
	if err != nil {
		return Keys{}, err
	}
	return Keys{Bank: bank, Platform: platform}, nil
}

// Server is a running bank. Its methods may be called by many goroutines.
type Server struct {
	keys     Keys
	platform httpsig.PublicKey
	clock    *clock.Clock
	timing   Timing
	log      *slog.Logger
	prefix   string
	magic    []MagicAmount
	find     AccountOf

	db       *sql.DB
	tempDir  string
	listener net.Listener
	server   *http.Server
	shutdown func() error
	client   *http.Client
	done     chan struct{}
	wake     chan struct{}
	workers  sync.WaitGroup
	closing  sync.Once
	closed   error

	mu        sync.Mutex
	notifyURL string
	faults    Faults
	nonces    httpsig.Nonces
}

// Start is Open, and serves until Close.
//
// Errors: those of Open, an address that is taken.
func Start(ctx context.Context, config Config) (*Server, error) {
	s, err := Open(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := s.listen(ctx, config.Listen); err != nil {
		return nil, fmt.Errorf("start the sandbox bank: %w", errors.Join(err, s.Close()))
	}
	s.server = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	s.shutdown = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			return s.server.Close()
		}
		return nil
	}
	s.workers.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "the sandbox bank stopped serving", slog.Any("error", err))
		}
	})
	return s, nil
}

// Open opens the books, seeds them when they are empty, and works on pending orders and notices until Close. It does
// not listen: whoever opened it serves Handler. When ctx ends no more notices are sent; Close is still to be called.
//
// Errors: keys that are none, a database that cannot be opened.
func Open(ctx context.Context, config Config) (*Server, error) {
	if err := errors.Join(config.Keys.Bank.Check(), config.Keys.Platform.Check()); err != nil {
		return nil, fmt.Errorf("start the sandbox bank: %w; make keys with bank.GenerateKeys", err)
	}
	s := newServer(config)
	if err := s.open(ctx, config); err != nil {
		return nil, fmt.Errorf("start the sandbox bank: %w", errors.Join(err, s.release()))
	}
	s.workers.Go(func() { s.work(ctx) })
	return s, nil
}

// Handler returns the bank's doors: the signed endpoints under the prefix, and the control API.
func (s *Server) Handler() http.Handler { return s.routes() }

// DB returns the database of the books, for what somebody keeps beside them.
func (s *Server) DB() *sql.DB { return s.db }

func newServer(config Config) *Server {
	s := &Server{
		keys:      config.Keys,
		platform:  config.Keys.Platform.Public(),
		clock:     config.Clock,
		timing:    config.Timing.withDefaults(),
		log:       config.Log,
		client:    newNoticeClient(),
		done:      make(chan struct{}),
		wake:      make(chan struct{}, 1),
		notifyURL: config.NotifyURL,
		prefix:    config.Prefix,
		magic:     config.Magic,
		find:      config.AccountOf,
		shutdown:  func() error { return nil },
	}
	if s.prefix == "" {
		s.prefix = "/bank/v1"
	}
	if s.magic == nil {
		s.magic = MagicAmounts()
	}
	if s.clock == nil {
		s.clock = new(clock.Clock)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// open opens the database.
func (s *Server) open(ctx context.Context, config Config) error {
	path := config.DatabasePath
	if path == "" {
		dir, err := os.MkdirTemp("", "feiqian-bank-")
		if err != nil {
			return err
		}
		s.tempDir = dir
		path = dir + "/bank.db"
	}
	seed := config.Seed
	if seed == nil {
		seed = SeedAccounts()
	}
	db, err := openDatabase(ctx, path, seed, s.clock.Now())
	if err != nil {
		return err
	}
	s.db = db
	return nil
}

// listen takes an address; "" is a free port on the loopback address.
func (s *Server) listen(ctx context.Context, address string) error {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s.listener = listener
	return nil
}

// URL returns the bank's address without a slash at the end: http://127.0.0.1:4711.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Notify says where notices go from now on, also the ones kept until now.
func (s *Server) Notify(url string) {
	s.mu.Lock()
	s.notifyURL = url
	s.mu.Unlock()
	s.nudge()
}

// Close stops the server, waits for orders on their way and closes the books. Held connections are
// dropped. Notices not yet delivered stay in the books for the next start.
func (s *Server) Close() error {
	s.closing.Do(func() {
		close(s.done)
		err := s.shutdown()
		s.workers.Wait()
		s.client.CloseIdleConnections()
		s.closed = errors.Join(err, s.release())
	})
	return s.closed
}

// release gives back what open took.
func (s *Server) release() error {
	var errs []error
	if s.server == nil && s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.tempDir != "" {
		errs = append(errs, os.RemoveAll(s.tempDir))
	}
	return errors.Join(errs...)
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&t.SlowAnswer, 2*time.Second)
	set(&t.Hold, time.Minute)
	set(&t.PendingFor, time.Second)
	set(&t.LateNotice, 5*time.Second)
	set(&t.Contradiction, time.Second)
	return t
}
