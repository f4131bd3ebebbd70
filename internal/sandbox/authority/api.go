package authority

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/sandbox"
)

// bodyMax is the longest body that is read, in bytes.
const bodyMax = 64 << 10

type document struct {
	Kind      string `json:"kind"`
	Country   string `json:"country"`
	Number    string `json:"number"`
	BirthOn   string `json:"birth_on"`
	ExpiresOn string `json:"expires_on"`
}

// query is a question as it comes in.
type query struct {
	Reference string   `json:"reference"`
	Name      string   `json:"name"`
	Document  document `json:"document"`
	Phone     string   `json:"phone"`
	Card      string   `json:"card_number"`
	Account   string   `json:"account_number"`
}

type reply struct {
	Reference   string `json:"reference"`
	Try         int64  `json:"try"`
	AmountMinor int64  `json:"amount_minor"`
}

type answer struct {
	Reference string `json:"reference"`
	Channel   string `json:"channel"`
	Outcome   string `json:"outcome"`
}

// result is what a handler wants sent, and what goes wrong with it.
type result struct {
	status int
	value  any
	fault  string
}

func refused(status int, code, message string) result {
	return result{status: status, value: sandbox.Problem{Code: code, Message: message}, fault: FaultNone}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /authority/v1/{channel}", s.signed(s.question))
	mux.Handle("POST /authority/v1/{channel}/answers", s.signed(s.word))
	s.controlRoutes(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

// signed verifies the request, runs handle and signs its answer.
func (s *Server) signed(handle func(channel string, body []byte) result) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		request := httpsig.Message{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		}
		channel := r.PathValue("channel")
		out := refused(http.StatusUnauthorized, "bad_signature", "the request is not signed by you")
		if s.authenticate(request) == nil {
			out = refused(http.StatusNotFound, "no_channel", "there is no such channel")
			if slices.Contains(channels(), channel) {
				out = handle(channel, body)
			}
		}
		s.respond(w, r, request, out)
	})
}

// authenticate verifies the platform's signature and takes every nonce only once.
func (s *Server) authenticate(request httpsig.Message) error {
	now := s.config.Clock.Now()
	signature, err := httpsig.Verify(request, s.platform, now)
	if err != nil {
		return err
	}
	return s.nonces.Take(signature, now)
}

// respond sends the answer, or what the fault makes of it.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, request httpsig.Message, out result) {
	key := s.config.Keys.Authority
	switch out.fault {
	case FaultNoAnswer:
		sandbox.Wait(r.Context(), s.done, s.config.Hold)
		panic(http.ErrAbortHandler) // net/http drops the connection without an answer
	case FaultSlow:
		if !sandbox.Wait(r.Context(), s.done, s.config.SlowAnswer) {
			panic(http.ErrAbortHandler)
		}
	case FaultDecidedError, FaultError:
		out = refused(http.StatusInternalServerError, "internal", "the channel failed")
	case FaultBadSignature:
		if wrong, err := httpsig.GenerateKey(key.ID); err == nil {
			key = wrong
		}
	}
	body, err := json.Marshal(out.value)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	message := httpsig.Message{Status: out.status, Header: w.Header(), Body: body, Request: &request}
	if err := httpsig.Sign(message, key, s.config.Clock.Now()); err != nil && out.status != http.StatusUnauthorized {
		s.config.Log.WarnContext(r.Context(), "an answer could not be signed", slog.Any("error", err))
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(body) // a client that left has no answer, which it must be able to live with
}

// question decides one question, once.
func (s *Server) question(channel string, body []byte) result {
	var q query
	if !sandbox.Strict(body, &q) || q.Reference == "" || q.Name == "" || q.Document.Number == "" {
		return refused(http.StatusBadRequest, "unreadable", "the body is not a question")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fault, magic := s.takeFault(channel), false
	if fault == FaultNone {
		fault, magic = magicOf(q.Document)
	}
	name := channel + "/" + q.Reference
	s.asked[name]++
	if fault == FaultNoAnswer || fault == FaultError {
		return result{status: http.StatusInternalServerError, fault: fault}
	}
	sum := sha256.Sum256(body)
	fingerprint := hex.EncodeToString(sum[:])
	decided, known := s.state.Decisions[name]
	if known && decided.Fingerprint != fingerprint {
		return refused(http.StatusConflict, "reference_reused", "another question has this reference")
	}
	if !known {
		decided = decision{Fingerprint: fingerprint, Outcome: s.decide(channel, q, fault, magic)}
		if decided.Outcome == outcomeAsked {
			decided.Account, decided.DepositFen, decided.Tries = q.Account, Deposit(q.Account), map[int64]string{}
		}
		s.state.Decisions[name] = decided
		if err := s.save(); err != nil {
			return refused(http.StatusInternalServerError, "internal", "the channel failed")
		}
	}
	if fault == FaultDecidedError && s.asked[name] > 1 {
		fault = FaultNone
	}
	return result{http.StatusOK, answer{q.Reference, channel, decided.Outcome}, fault}
}

const (
	outcomeMatched  = "matched"
	outcomeMismatch = "mismatch"
	outcomeNotFound = "not_found"
	outcomeAsked    = "asked"
)

// decide looks a person up; s.mu is held.
func (s *Server) decide(channel string, q query, fault string, magic bool) string {
	yes := outcomeMatched
	if channel == channelTransfer {
		yes = outcomeAsked
	}
	switch {
	case fault == FaultMismatch, fault == FaultNotFound:
		return fault
	case magic:
		return yes
	}
	for _, p := range s.state.People {
		if p.Kind != q.Document.Kind || p.Country != q.Document.Country || p.Number != q.Document.Number {
			continue
		}
		if p.Name == q.Name && p.agrees(channel, q) {
			return yes
		}
		return outcomeMismatch
	}
	return outcomeNotFound
}

// agrees reports whether what the party of a channel knows of a person is what is asked.
func (p Person) agrees(channel string, q query) bool {
	switch channel {
	case channelAuthority:
		return p.ExpiresOn == "" || p.ExpiresOn == q.Document.ExpiresOn
	case channelPhone, channelCommercial:
		return slices.Contains(p.Phones, q.Phone)
	case channelCard:
		return slices.Contains(p.Cards, Card{Number: q.Card, Phone: q.Phone})
	case channelTransfer:
		return slices.Contains(p.Accounts, q.Account)
	}
	return false
}

// Deposit returns the amount that is sent to an account, in minor units: 1 and the account's last two digits modulo 99.
// A real party draws it at random.
func Deposit(account string) int64 {
	var n int64
	for _, r := range account[max(0, len(account)-2):] {
		n = n*10 + int64(r-'0')
	}
	return 1 + n%99
}

// word takes a person's word about a deposit; each try is decided once.
func (s *Server) word(channel string, body []byte) result {
	var r reply
	if !sandbox.Strict(body, &r) || r.Reference == "" || r.Try < 1 {
		return refused(http.StatusBadRequest, "unreadable", "the body is not an answer")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.takeFault(channel)
	if fault == FaultNoAnswer || fault == FaultError {
		return result{status: http.StatusInternalServerError, fault: fault}
	}
	name := channel + "/" + r.Reference
	decided, known := s.state.Decisions[name]
	if !known || decided.Outcome != outcomeAsked {
		return refused(http.StatusConflict, "not_asked", "nobody was asked under this reference")
	}
	outcome, said := decided.Tries[r.Try]
	if !said {
		outcome = outcomeMismatch
		if r.AmountMinor == decided.DepositFen {
			outcome = outcomeMatched
		}
		decided.Tries[r.Try] = outcome
		if err := s.save(); err != nil {
			return refused(http.StatusInternalServerError, "internal", "the channel failed")
		}
	}
	return result{http.StatusOK, answer{r.Reference, channel, outcome}, fault}
}

// takeFault takes the fault that is set for a channel; s.mu is held.
func (s *Server) takeFault(channel string) string {
	for i := range s.faults {
		f := &s.faults[i]
		if (f.Channel == channel || f.Channel == "") && f.Times > 0 {
			f.Times--
			return f.Fault
		}
	}
	return FaultNone
}
