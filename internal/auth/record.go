package auth

import (
	"context"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// What the audit trail is told of sign-ins. Whoever signs in is not known to the door yet, so the origin of these
// records is completed here.

func signedIn(ctx context.Context, s subject, session id.Session, device id.Device) context.Context {
	origin := audit.Of(ctx)
	if origin.Kind == audit.System { // a tool of the operator opened the session
		return ctx
	}
	origin.Kind, origin.Actor = audit.ActorKind(s.kind), s.id
	origin.Credential, origin.Device = string(session), string(device)
	return audit.With(ctx, origin)
}

// sessionOpened is a new session as its record shows it.
type sessionOpened struct {
	Session   id.Session `json:"session_id"`
	Device    id.Device  `json:"device_id,omitempty"`
	DeviceNew bool       `json:"device_new,omitempty"`
}

func (a *Auth) recordSession(ctx context.Context, tx *commit.Tx, row sessionRow, device Device, fresh bool) error {
	return a.Trail.Add(signedIn(ctx, row.Subject, row.ID, device.ID), tx, audit.Act{
		Kind: "session.opened", Subject: row.Subject.id,
		After: sessionOpened{Session: row.ID, Device: device.ID, DeviceNew: fresh && device.ID != ""},
	})
}

func (a *Auth) recordCustomer(ctx context.Context, tx *commit.Tx, customer party.Customer) error {
	return a.Trail.Add(ctx, tx, audit.Act{
		Kind: "customer.registered", Subject: string(customer.ID), After: customer.Masked(),
	})
}

// recordCredential records a change of a credential in the decision that makes it.
func (a *Auth) recordCredential(ctx context.Context, tx *commit.Tx, kind string, s subject, before, after any) error {
	return a.Trail.Add(ctx, tx, audit.Act{Kind: kind, Subject: s.id, Before: before, After: after})
}

// noteCode notes a code that was wrong where nobody signs in.
func (a *Auth) noteCode(ctx context.Context, err error) {
	if code := fault.CodeOf(err); code == "auth.code_wrong" || code == "auth.code_invalid" {
		a.Trail.Note(ctx, audit.Act{Kind: "code.failed", Reason: code})
	}
}

// noteRecovery notes a recovery that was refused or locked.
func (a *Auth) noteRecovery(ctx context.Context, s subject, err error) {
	if code := fault.CodeOf(err); code == "auth.recovery_refused" || code == "auth.recovery_locked" {
		a.Trail.Note(ctx, audit.Act{Kind: "recovery.failed", Subject: s.id, Reason: code})
	}
}

// noteSignIn notes a refused sign-in. The login itself is not kept: somebody may have typed a password there.
func (a *Auth) noteSignIn(ctx context.Context, s subject, err error) {
	kind := "sign_in.failed"
	switch fault.CodeOf(err) {
	case "auth.bad_credentials", "auth.closed", "auth.code_wrong", "auth.code_invalid", "auth.totp_wrong",
		"auth.passkey_refused", "auth.passkey_challenge_over":
	case "auth.passkey_cloned":
		kind = "passkey.barred"
	case "auth.login_locked", "auth.totp_locked":
		kind = "sign_in.locked"
	case "auth.too_many_sign_ins":
		kind = "sign_in.limited"
	default:
		return
	}
	a.Trail.Note(ctx, audit.Act{Kind: kind, Subject: s.id, Reason: fault.CodeOf(err)})
}
