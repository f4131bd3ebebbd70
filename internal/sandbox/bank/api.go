package bank

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/sandbox"
)

// bodyMax is the longest body the bank reads, in bytes.
const bodyMax = 64 << 10

// call is a verified request with its body.
type call struct {
	request *http.Request
	body    []byte
}

// answer is what a handler wants sent: a status, a value as JSON, and what goes wrong with it.
type answer struct {
	status int
	value  any
	effect Effect
}

// routes is the table of the bank's endpoints.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handlers := map[string]func(context.Context, call) (answer, error){
		"POST /pay_in":            s.order(kindPayIn),
		"POST /pay_out":           s.order(kindPayOut),
		"POST /refund":            s.order(kindRefund),
		"GET /orders/{reference}": s.query,
		"GET /statement":          s.statement,
		"GET /balance":            s.balance,
		"GET /{anything...}":      s.noSuchPath,
		"POST /{anything...}":     s.noSuchPath,
	}
	if s.find == nil {
		handlers["POST /bind"] = s.bind
	}
	for pattern, handle := range handlers {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+s.prefix+path, s.signed(handle))
	}
	s.controlRoutes(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

// signed verifies the request, runs handle and signs its answer. A request that is begun is finished
// also when the client leaves, as at any bank.
func (s *Server) signed(handle func(context.Context, call) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		request := httpsig.Message{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		}
		if before := s.takeFault(faultDropBefore); before || !s.latency(r.Context()) {
			panic(http.ErrAbortHandler) // net/http drops the connection without an answer
		}
		result := refused(http.StatusUnauthorized, "bad_signature", "the request is not signed by you")
		if err := s.authenticate(request); err == nil {
			result, err = handle(context.WithoutCancel(r.Context()), call{r, body})
			if err != nil {
				s.log.ErrorContext(r.Context(), "the sandbox bank failed",
					slog.String("path", r.URL.Path), slog.Any("error", err))
				result = refused(http.StatusInternalServerError, "internal", "the bank failed")
			}
		}
		s.respond(w, r, request, result)
	})
}

// authenticate verifies the platform's signature and takes every nonce only once.
func (s *Server) authenticate(request httpsig.Message) error {
	now := s.clock.Now()
	signature, err := httpsig.Verify(request, s.platform, now)
	if err != nil {
		return err
	}
	return s.nonces.Take(signature, now)
}

// respond sends the answer, or what the effect makes of it.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, request httpsig.Message, result answer) {
	key := s.keys.Bank
	switch result.effect {
	case EffectSlow:
		if !sandbox.Wait(r.Context(), s.done, s.timing.SlowAnswer) {
			panic(http.ErrAbortHandler)
		}
	case EffectBookedNoAnswer, EffectLostNoAnswer, EffectNoticeLate:
		sandbox.Wait(r.Context(), s.done, s.timing.Hold)
		panic(http.ErrAbortHandler)
	case EffectBookedError:
		result = refused(http.StatusInternalServerError, "internal", "the bank failed")
	case EffectBadSignature:
		if wrong, err := httpsig.GenerateKey(key.ID); err == nil {
			key = wrong
		}
	case EffectNone, EffectDecline, EffectPendingSuccess, EffectPendingDecline,
		EffectNoticeThrice, EffectNoticeContradicts:
	}
	if s.takeFault(faultDropAfter) {
		panic(http.ErrAbortHandler)
	}
	body, err := json.Marshal(result.value)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	message := httpsig.Message{Status: result.status, Header: w.Header(), Body: body, Request: &request}
	if err := httpsig.Sign(message, key, s.clock.Now()); err != nil && result.status != http.StatusUnauthorized {
		s.log.WarnContext(r.Context(), "an answer could not be signed", slog.Any("error", err))
	}
	w.WriteHeader(result.status)
	_, _ = w.Write(body) // a client that left has no answer, which it must be able to live with
}

// order returns the handler of orders of one kind.
func (s *Server) order(kind string) func(context.Context, call) (answer, error) {
	return func(ctx context.Context, c call) (answer, error) {
		request := orderRequest{kind: kind}
		if !sandbox.Strict(c.body, &request) {
			return refused(http.StatusBadRequest, "unreadable", "the body is not an order"), nil
		}
		if fault := request.fault(); fault != "" {
			return s.invalidOrder(ctx, request.Reference, fault)
		}
		result, err := s.place(ctx, request)
		switch {
		case err != nil:
			return answer{}, err
		case result.reused:
			return refused(http.StatusConflict, "reference_reused", "another order has this reference"), nil
		}
		return answer{http.StatusOK, result.order.answer(), result.effect}, nil
	}
}

// invalidOrder refuses a malformed order, and says that nothing is booked where that is so.
func (s *Server) invalidOrder(ctx context.Context, reference, message string) (answer, error) {
	if !validReference(reference) {
		return refused(http.StatusUnprocessableEntity, "invalid_order", message), nil
	}
	known, err := s.lookUp(ctx, reference)
	if err != nil {
		return answer{}, err
	}
	if known != nil {
		return refused(http.StatusConflict, "reference_reused", "another order has this reference"), nil
	}
	return answer{
		http.StatusUnprocessableEntity,
		problem{Code: "invalid_order", Message: message, Reference: reference, Booked: new(bool)},
		"",
	}, nil
}

// query tells what became of an order.
func (s *Server) query(ctx context.Context, c call) (answer, error) {
	reference := c.request.PathValue("reference")
	known, err := s.lookUp(ctx, reference)
	switch {
	case err != nil:
		return answer{}, err
	case known == nil:
		return answer{
			http.StatusNotFound,
			problem{Code: "not_found", Message: "no order has this reference", Reference: reference, Booked: new(bool)},
			"",
		}, nil
	}
	return answer{http.StatusOK, known.answer(), ""}, nil
}

// bind exchanges a number and its holder's name for a token.
func (s *Server) bind(ctx context.Context, c call) (answer, error) {
	var request bindRequest
	if !sandbox.Strict(c.body, &request) {
		return refused(http.StatusBadRequest, "unreadable", "the body is not a binding"), nil
	}
	a, token, err := s.customer(ctx, request.Number)
	switch {
	case err != nil:
		return answer{}, err
	case token == "":
		return refused(http.StatusUnprocessableEntity, declineAccountNotFound, "no such account"), nil
	case a.holderName != plainName(request.HolderName):
		return refused(http.StatusUnprocessableEntity, declineNameMismatch, "the name is another one"), nil
	case a.closed:
		return refused(http.StatusUnprocessableEntity, declineAccountClosed, "the account is closed"), nil
	}
	return answer{http.StatusOK, bindAnswer{
		Token: token, MaskedNumber: masked(a.number), BankName: Name, Currency: a.currency,
	}, ""}, nil
}

func (s *Server) noSuchPath(context.Context, call) (answer, error) {
	return refused(http.StatusNotFound, "no_such_path", "there is no such path"), nil
}

func refused(status int, code, message string) answer {
	return answer{status, problem{Code: code, Message: message}, ""}
}
