package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/fault"
)

// What the audit trail learns from the door: who acts, acts that no decision recorded, and refusals.

// origin says who sends the request and from where.
func (x *exchange) origin() audit.Origin {
	o := audit.Origin{
		Kind: audit.Public, Actor: x.caller.ID(), Request: string(x.id), Recorded: &x.recorded,
		Address:    addressOf(x.request, x.server.options.TrustedProxies),
		Credential: string(x.caller.Session), Device: string(x.caller.Device),
	}
	switch x.caller.Actor {
	case ActorMerchant:
		o.Kind, o.Credential = audit.Merchant, string(x.caller.Key)
	case ActorCustomer:
		o.Kind = audit.Customer
	case ActorStaff:
		o.Kind = audit.Staff
	case ActorUser:
		o.Kind = audit.MerchantUser
	case ActorApplicant:
		o.Kind = audit.Applicant
	case ActorPublic:
	}
	return o
}

// recordAct records an act of the staff that its decision did not record, since it changed nothing or since nobody
// thought of it: so every writing route of the staff leaves exactly one record.
func (e *endpoint) recordAct(ctx context.Context, x *exchange) {
	if e.Actor != ActorStaff || e.Method == http.MethodGet || x.recorded.Load() {
		return
	}
	act := audit.Act{Kind: "request." + e.Name}
	if parameters := pathValues(e.Path, x.request); len(parameters) > 0 {
		act.Subject, act.After = parameters[0], parameters
	}
	if err := e.server.options.Trail.Write(context.WithoutCancel(ctx), act); err != nil {
		e.server.log.ErrorContext(ctx, "an act of the staff could not be recorded",
			slog.String("request_id", string(x.id)), slog.String("route", e.Path), slog.Any("error", err))
	}
}

// securityKinds is the table from codes of refusals to the kinds of their events. Refused sign-ins are noted by
// package auth, which knows whose they are.
func securityKinds() map[string]string {
	return map[string]string{
		"auth.permission_missing": "access.refused",
		"approval.not_allowed":    "access.refused",
		"approval.same_person":    "proposal.self_approval",
		"approval.about_yourself": "proposal.self_approval",
		"auth.key_invalid":        "key.invalid",
		"auth.key_wrong_mode":     "key.invalid",
		"auth.session_invalid":    "session.invalid",
		"signature.missing":       "signature.refused",
		"signature.wrong":         "signature.refused",
		"signature.replayed":      "signature.refused",
		"auth.pin_wrong":          "pin.failed",
		"auth.pin_locked":         "pin.locked",
		"auth.code_wrong":         "code.failed",
		"auth.code_invalid":       "code.failed",
		"auth.totp_wrong":         "totp.failed",
		"auth.totp_locked":        "totp.locked",
		"auth.passkey_refused":    "passkey.failed",
		"auth.passkey_cloned":     "passkey.barred",
		"auth.gesture_wrong":      "gesture.failed",

		"auth.device_proof_missing": "device.unproved",

		"auth.bad_credentials":     "password.failed",
		"auth.login_locked":        "password.locked",
		"request.cross_origin":     "request.cross_origin",
		"request.too_many":         "request.limited",
		"auth.invitation_invalid":  "invitation.invalid",
		"onboarding.token_invalid": "application_token.invalid",
		"edge.blocked":             "caller.blocked",
	}
}

// note notes a refusal that bears on security.
func (x *exchange) note(ctx context.Context, err error) {
	trail := x.server.options.Trail
	if trail == nil {
		return
	}
	code := fault.CodeOf(err)
	kind, known := x.server.events[code]
	about, _, _ := strings.Cut(kind, ".")
	signIn := x.caller.Actor == ActorPublic && slices.Contains([]string{"password", "code", "totp", "passkey"}, about)
	if !known || signIn {
		return
	}
	trail.Note(ctx, audit.Act{Kind: kind, Subject: x.caller.ID(), Reason: code})
}

// pathValues returns the values of a path's parameters, in their order.
func pathValues(path string, r *http.Request) []string {
	var values []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			values = append(values, r.PathValue(strings.TrimSuffix(name, "}")))
		}
	}
	return values
}

const streamMax = time.Hour // to read a whole export

// stream sends an answer as it is made. What fails behind the first byte cuts the answer off, so that half of it
// does not look whole.
func (x *exchange) stream(s *Stream) error {
	ctx, cancel := context.WithTimeout(x.request.Context(), streamMax)
	defer cancel()
	until := time.Now().Add(streamMax) //nolint:forbidigo // a deadline of the network, not of the business
	if err := http.NewResponseController(x.ResponseWriter).SetWriteDeadline(until); err != nil {
		x.server.log.DebugContext(ctx, "no deadline for a stream", slog.Any("error", err))
	}
	x.Header()["Content-Type"] = []string{s.Type}
	x.Header()["Content-Disposition"] = []string{fmt.Sprintf("attachment; filename=%q", s.Name)}
	if err := s.Write(ctx, io.Writer(x)); err != nil {
		if x.status == 0 {
			x.Header().Del("Content-Disposition")
			return err
		}
		x.server.log.ErrorContext(ctx, "a stream broke off",
			slog.String("request_id", string(x.id)), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
	if x.status == 0 { // nothing to write is an answer too
		x.WriteHeader(http.StatusOK)
	}
	return nil
}
