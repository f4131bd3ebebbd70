package issuer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/sandbox"
)

const (
	bodyMax  = 16 << 10 // bytes
	triesMax = 3
	// The limits of every agreement: 5,000 a payment, 10,000 a day.
	transactionMax = 5_000_00
	dayMax         = 10_000_00
	currency       = "CNY"
)

// The states of a binding, and what an answer may say.
const (
	statusWaiting   = "awaiting_code"
	statusSigned    = "signed"
	statusWrongCode = "wrong_code"
	statusDeclined  = "declined"
	statusCancelled = "cancelled"
	statusNotFound  = "not_found"
)

type startRequest struct {
	Reference string `json:"reference"`
	Number    string `json:"number"`
	Holder    string `json:"holder_name"`
	Document  string `json:"document_number"`
	Phone     string `json:"phone"`
	ExpiresOn string `json:"expires_on"`
}

type confirmRequest struct {
	Code string `json:"code"`
}

type bindingAnswer struct {
	Reference      string    `json:"reference"`
	Status         string    `json:"status"`
	DeclineCode    string    `json:"decline_code,omitempty"`
	Token          string    `json:"card_token,omitempty"`
	Number         string    `json:"agreement_number,omitempty"`
	TransactionMax int64     `json:"transaction_limit_minor,omitempty"`
	DayMax         int64     `json:"day_limit_minor,omitempty"`
	Currency       string    `json:"currency,omitempty"`
	SignedAt       time.Time `json:"signed_at,omitzero"`
}

// answer is what a handler wants sent, and what goes wrong with it.
type answer struct {
	status int
	body   bindingAnswer
	effect Effect
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(context.Context, string, []byte) (answer, error){
		"POST /issuer/v1/bindings":                     s.start,
		"GET /issuer/v1/bindings/{reference}":          s.query,
		"POST /issuer/v1/bindings/{reference}/confirm": s.confirm,
		"POST /issuer/v1/bindings/{reference}/cancel":  s.cancel,
	} {
		mux.Handle(pattern, s.signed(handle))
	}
	s.controlRoutes(mux)
	books := s.books.Handler()
	mux.Handle("/issuer/v1/", books)
	mux.Handle("/control/", books)
	return http.NewCrossOriginProtection().Handler(mux)
}

// signed verifies the request, runs handle and signs its answer.
func (s *Server) signed(handle func(context.Context, string, []byte) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		request := httpsig.Message{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		}
		result := answer{status: http.StatusUnauthorized}
		if err := s.authenticate(request); err == nil {
			result, err = handle(context.WithoutCancel(r.Context()), r.PathValue("reference"), body)
			if err != nil {
				s.config.Log.ErrorContext(r.Context(), "the sandbox issuer failed", slog.Any("error", err))
				result = answer{status: http.StatusInternalServerError}
			}
		}
		s.respond(w, r, request, result)
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

// respond sends the answer, or what the effect makes of it.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, request httpsig.Message, result answer) {
	key := s.config.Keys.Issuer
	switch result.effect {
	case EffectStartNoAnswer, EffectSignedNoAnswer, EffectLostNoAnswer, EffectCancelNoAnswer:
		sandbox.Wait(r.Context(), s.done, s.config.Timing.Hold)
		panic(http.ErrAbortHandler) // net/http drops the connection without an answer
	case EffectStartError, EffectSignedError, EffectCancelError:
		result.status, result.body.Status = http.StatusInternalServerError, ""
	case EffectStartBadSigned, EffectSignedBadSigned:
		if wrong, err := httpsig.GenerateKey(key.ID); err == nil {
			key = wrong
		}
	case EffectNone, EffectNotAllowed, EffectBlocked, EffectDeclined:
	}
	body, err := json.Marshal(result.body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	message := httpsig.Message{Status: result.status, Header: w.Header(), Body: body, Request: &request}
	if err := httpsig.Sign(message, key, s.config.Clock.Now()); err != nil && result.status != http.StatusUnauthorized {
		s.config.Log.WarnContext(r.Context(), "an answer could not be signed", slog.Any("error", err))
	}
	w.WriteHeader(result.status)
	_, _ = w.Write(body) // a client that left has no answer, which it must be able to live with
}

// start checks the four elements and sends a code.
func (s *Server) start(ctx context.Context, _ string, body []byte) (answer, error) {
	var r startRequest
	if !sandbox.Strict(body, &r) || r.Reference == "" || len(r.Reference) > 64 {
		return answer{status: http.StatusBadRequest}, nil
	}
	known, err := s.lookUp(ctx, r.Reference)
	if err != nil {
		return answer{}, err
	}
	if known != nil {
		return s.about(known, EffectNone), nil
	}
	c, err := s.card(ctx, r.Number)
	if err != nil {
		return answer{}, err
	}
	refuse := func(code string) (answer, error) {
		return answer{status: http.StatusOK, body: bindingAnswer{
			Reference: r.Reference, Status: statusDeclined, DeclineCode: code,
		}}, nil
	}
	effect := effectOf(r.Number)
	switch {
	case c == nil || c.Holder != strings.TrimSpace(r.Holder) || c.Document != strings.ToUpper(r.Document) ||
		c.Phone != r.Phone || c.ExpiresOn != r.ExpiresOn:
		return refuse("elements_mismatch")
	case effect == EffectNotAllowed:
		return refuse("not_allowed")
	case effect == EffectBlocked:
		return refuse("card_blocked")
	}
	b := &binding{
		reference: r.Reference, number: r.Number, status: statusWaiting, code: newCode(),
		createdAt: clock.Micros(s.config.Clock.Now()),
	}
	if err := s.save(ctx, b); err != nil {
		return answer{}, err
	}
	switch effect { //nolint:exhaustive // the others come later
	case EffectStartNoAnswer, EffectStartError, EffectStartBadSigned:
		return s.about(b, effect), nil
	default:
		return s.about(b, EffectNone), nil
	}
}

// newCode draws six digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic("issuer: " + err.Error()) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}

// confirm takes a code.
func (s *Server) confirm(ctx context.Context, reference string, body []byte) (answer, error) {
	var r confirmRequest
	if !sandbox.Strict(body, &r) {
		return answer{status: http.StatusBadRequest}, nil
	}
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return notFound(reference), err
	}
	if b.status != statusWaiting {
		return s.about(b, EffectNone), nil
	}
	effect := effectOf(b.number)
	if effect == EffectLostNoAnswer {
		return s.about(b, effect), nil
	}
	b.tries++
	switch {
	case r.Code != b.code && b.tries >= triesMax:
		b.status, b.declineCode = statusDeclined, "too_many_codes"
	case r.Code != b.code:
		wrong := s.about(b, EffectNone)
		wrong.body.Status = statusWrongCode
		return wrong, s.save(ctx, b)
	case effect == EffectDeclined:
		b.status, b.declineCode = statusDeclined, "card_blocked"
	default:
		b.status, b.token, b.agreement = statusSigned, "ctk_"+rand.Text(), "KJ"+rand.Text()[:18]
		b.signedAt = clock.Micros(s.config.Clock.Now())
	}
	if err := s.save(ctx, b); err != nil {
		return answer{}, err
	}
	switch effect { //nolint:exhaustive // the others were before
	case EffectSignedNoAnswer, EffectSignedError, EffectSignedBadSigned:
		return s.about(b, effect), nil
	default:
		return s.about(b, EffectNone), nil
	}
}

func (s *Server) query(ctx context.Context, reference string, _ []byte) (answer, error) {
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return notFound(reference), err
	}
	return s.about(b, EffectNone), nil
}

// cancel ends a binding; twice is once.
func (s *Server) cancel(ctx context.Context, reference string, _ []byte) (answer, error) {
	b, err := s.lookUp(ctx, reference)
	if err != nil || b == nil {
		return notFound(reference), err
	}
	effect := effectOf(b.number)
	first := s.first(reference)
	if effect == EffectCancelError && first {
		return s.about(b, effect), nil
	}
	b.status = statusCancelled
	if err := s.save(ctx, b); err != nil {
		return answer{}, err
	}
	if effect == EffectCancelNoAnswer && first {
		return s.about(b, effect), nil
	}
	return s.about(b, EffectNone), nil
}

// first reports whether this is the first cancel of a reference.
func (s *Server) first(reference string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.failed[reference]
	s.failed[reference] = true
	return !again
}

func notFound(reference string) answer {
	return answer{status: http.StatusNotFound, body: bindingAnswer{Reference: reference, Status: statusNotFound}}
}

// about tells where a binding stands.
func (s *Server) about(b *binding, effect Effect) answer {
	body := bindingAnswer{Reference: b.reference, Status: b.status, DeclineCode: b.declineCode}
	if b.status == statusSigned {
		body.Token, body.Number, body.SignedAt = b.token, b.agreement, clock.FromMicros(b.signedAt)
		body.TransactionMax, body.DayMax, body.Currency = transactionMax, dayMax, currency
	}
	return answer{status: http.StatusOK, body: body, effect: effect}
}
