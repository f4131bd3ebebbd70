package bank

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sandbox"
)

// Faults are troubles of the bank's line, set until they are changed.
type Faults struct {
	// LatencyMS is a wait before every signed request is looked at, in milliseconds.
	LatencyMS int64 `json:"latency_ms"`
	// DropBefore drops that many of the next requests before the bank looks at them.
	DropBefore int `json:"drop_before"`
	// DropAfter drops that many of the next answers: what was asked is done.
	DropAfter int `json:"drop_after"`
}

// latencyMax bounds Faults.LatencyMS.
const latencyMax = time.Minute

// Account is an account as the control API shows it.
type Account struct {
	Number     string       `json:"number"`
	Kind       string       `json:"kind"`
	HolderName string       `json:"holder_name"`
	Closed     bool         `json:"closed"`
	Balance    money.Amount `json:"balance"`
}

func (s *Server) controlRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /control/accounts", s.controlAccounts)
	mux.HandleFunc("POST /control/accounts", s.controlOpenAccount)
	mux.HandleFunc("GET /control/faults", s.controlGetFaults)
	mux.HandleFunc("POST /control/faults", s.controlSetFaults)
	mux.HandleFunc("POST /control/notices/{reference}/resend", s.controlResend)
	mux.HandleFunc("GET /control/magic_amounts", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Write(w, http.StatusOK, s.magic)
	})
}

// Accounts returns all accounts with their balances, by number: customers, reserves and the bank's
// capital. For each currency the balances together are zero.
func (s *Server) Accounts(ctx context.Context) ([]Account, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT number, kind, holder_name, closed, balance_minor, currency
		FROM accounts ORDER BY number`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Account
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.Number, &a.Kind, &a.HolderName, &a.Closed, &a.Balance.Minor, &a.Balance.Currency); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// Booked returns how many movements the order with reference made: 0 or 1.
func (s *Server) Booked(ctx context.Context, reference string) (int, error) {
	var movements int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM movements
		WHERE reference = $1 AND kind <> 'opening'`, reference).Scan(&movements)
	return movements, err
}

// OpenAccount opens a customer's account with money from the bank's capital. Errors: the number is
// taken or not 8 to 32 digits, the name is missing, or the balance is not an amount.
func (s *Server) OpenAccount(ctx context.Context, seed SeedAccount) error {
	if err := seed.check(); err != nil {
		return err
	}
	return inTx(ctx, s.db, func(tx *sql.Tx) error { return openAccount(ctx, tx, seed, s.clock.Now()) })
}

// SetFaults replaces the troubles of the bank's line.
func (s *Server) SetFaults(faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// which fault takeFault counts down.
type faultKind int

const (
	faultDropBefore faultKind = iota
	faultDropAfter
)

// takeFault reports whether a drop is due, and counts it.
func (s *Server) takeFault(kind faultKind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := &s.faults.DropBefore
	if kind == faultDropAfter {
		left = &s.faults.DropAfter
	}
	if *left <= 0 {
		return false
	}
	*left--
	return true
}

// latency waits as the faults say; false means that the client left or the bank closes.
func (s *Server) latency(ctx context.Context) bool {
	s.mu.Lock()
	wait := min(time.Duration(s.faults.LatencyMS)*time.Millisecond, latencyMax)
	s.mu.Unlock()
	return wait <= 0 || sandbox.Wait(ctx, s.done, wait)
}

func (s *Server) controlAccounts(w http.ResponseWriter, r *http.Request) {
	all, err := s.Accounts(r.Context())
	if err != nil {
		s.controlFailed(w, r, err)
		return
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"accounts": all})
}

func (s *Server) controlOpenAccount(w http.ResponseWriter, r *http.Request) {
	var seed SeedAccount
	if !sandbox.Read(w, r, &seed) {
		return
	}
	if err := seed.check(); err != nil {
		sandbox.Write(w, http.StatusUnprocessableEntity, problem{Code: "invalid", Message: err.Error()})
		return
	}
	if _, token, err := s.customer(r.Context(), seed.Number); err != nil || token != "" {
		sandbox.Write(w, http.StatusConflict, problem{Code: "taken", Message: "the number is taken"})
		return
	}
	if err := s.OpenAccount(r.Context(), seed); err != nil {
		s.controlFailed(w, r, err)
		return
	}
	sandbox.Write(w, http.StatusCreated, seed)
}

func (s *Server) controlGetFaults(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	faults := s.faults
	s.mu.Unlock()
	sandbox.Write(w, http.StatusOK, faults)
}

func (s *Server) controlSetFaults(w http.ResponseWriter, r *http.Request) {
	var faults Faults
	if !sandbox.Read(w, r, &faults) {
		return
	}
	s.SetFaults(faults)
	sandbox.Write(w, http.StatusOK, faults)
}

func (s *Server) controlResend(w http.ResponseWriter, r *http.Request) {
	notices, err := s.Resend(r.Context(), r.PathValue("reference"))
	if err != nil {
		s.controlFailed(w, r, err)
		return
	}
	sandbox.Write(w, http.StatusOK, map[string]int64{"notices": notices})
}

func (s *Server) controlFailed(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "the bank's control failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	sandbox.Write(w, http.StatusInternalServerError, problem{Code: "internal", Message: "the bank failed"})
}
