package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
)

// What payers prove themselves with: one-time codes, passkeys, authenticator apps, gesture locks.

func (s *Services) credentialEndpoints() []Endpoint {
	route := func(actor Actor, method, path, name, summary string) Route {
		return Route{
			Method:  method,
			Path:    "/wallet/v1" + path,
			Actor:   actor,
			Tag:     "Credentials",
			Name:    name,
			Summary: summary,
		}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	locked := func(r Route) Route { r.WhileLocked = true; return r }
	return []Endpoint{
		Handle(created(route(ActorPublic, post, "/codes", "send_code",
			"Send a one-time code to a phone; the answer does not tell whether the number is known")), s.sendCode),
		Handle(route(ActorPublic, post, "/password_resets", "reset_password",
			"Set a new login password by a code to the phone and the document of who was verified; all sessions end"),
			s.resetPassword),
		Handle(route(ActorCustomer, post, "/pin/restore", "restore_pin",
			"Put the payment PIN back that was reset within a day; other sessions end"), s.restorePIN),
		Handle(created(route(ActorPublic, post, "/passkey_challenges", "challenge_sign_in",
			"Get a challenge to sign in with a passkey")), s.challengeSignIn),
		Handle(created(route(ActorPublic, post, "/passkey_login", "passkey_login",
			"Sign in with a passkey")), s.passkeyLogin),
		Handle(route(ActorCustomer, get, "/passkeys", "list_passkeys", "List passkeys"), s.listPasskeys),
		Handle(created(route(ActorCustomer, post, "/passkeys/challenges", "challenge_passkey",
			"Get a challenge to register a passkey; password and PIN prove you")), s.challengePasskey),
		Handle(created(route(ActorCustomer, post, "/passkeys", "add_passkey", "Register a passkey")), s.addPasskey),
		Handle(route(ActorCustomer, put, "/passkeys/{id}", "rename_passkey", "Give a passkey another name"), s.renamePasskey),
		Handle(route(ActorCustomer, del, "/passkeys/{id}", "remove_passkey", "Remove a passkey for good"), s.removePasskey),
		Handle(created(route(ActorCustomer, post, "/totp", "begin_totp",
			"Get a secret for an authenticator app; the password proves you")), s.beginTOTP),
		Handle(route(ActorCustomer, post, "/totp/confirm", "confirm_totp",
			"Make the app count by its first code; get recovery codes"), s.confirmTOTP),
		Handle(route(ActorCustomer, post, "/totp/remove", "remove_totp", "Remove the authenticator app"), s.removeTOTP),
		Handle(route(ActorCustomer, put, "/gesture", "set_gesture",
			"Set this device's gesture lock; the password proves you"), s.setGesture),
		Handle(route(ActorCustomer, post, "/lock", "lock", "Lock this session now"), s.lock),
		Handle(locked(route(ActorCustomer, post, "/unlock", "unlock", "Unlock this session by the gesture")), s.unlock),
	}
}

type sendCodeBody struct {
	Phone   string       `json:"phone" minLength:"5" maxLength:"32" example:"+8613800000001"`
	Purpose auth.Purpose `json:"purpose" enum:"register,sign_in,reset_password"`
}

type sendCodeRequest struct {
	Body sendCodeBody
}

func (s *Services) sendCode(ctx context.Context, req *sendCodeRequest) (*auth.CodeSent, error) {
	sent, err := s.Auth.SendCode(ctx, auth.CodeWish{
		Phone: req.Body.Phone, Purpose: req.Body.Purpose, Address: AddressOf(ctx),
	})
	return &sent, err
}

func (s *Services) challengeSignIn(ctx context.Context, _ *empty) (*PasskeyAsk, error) {
	challenge, err := s.Auth.ChallengeSignIn(ctx, AddressOf(ctx))
	if err != nil {
		return nil, err
	}
	return s.passkeyAsk(challenge, nil), nil
}

type passkeyLoginBody struct {
	PasskeyBody
	DeviceBody
}

type passkeyLoginRequest struct {
	Body passkeyLoginBody
}

func (s *Services) passkeyLogin(ctx context.Context, req *passkeyLoginRequest) (*Session, error) {
	signedIn, err := s.Auth.SignInByPasskey(ctx, auth.PasskeySignIn{
		Answer: req.Body.answer(), Address: AddressOf(ctx), Device: req.Body.request(),
	})
	if err != nil {
		return nil, err
	}
	customer, err := s.Parties.Customer(ctx, signedIn.Session.Customer())
	if err != nil {
		return nil, err
	}
	return s.session(customer, signedIn), nil
}

func (s *Services) listPasskeys(ctx context.Context, _ *empty) (*Page[auth.Passkey], error) {
	keys, err := s.Auth.ListPasskeys(ctx, CallerOf(ctx).Customer)
	return &Page[auth.Passkey]{Data: keys}, err
}

// PasswordBody proves a signed-in customer once more.
type PasswordBody struct {
	Password string `json:"password" minLength:"1" maxLength:"128" doc:"The login password."`
}

type passwordRequest struct {
	Body PasswordBody
}

type challengePasskeyBody struct {
	PasswordBody
	PIN string `json:"pin" minLength:"6" maxLength:"6" doc:"The payment PIN: a passkey pays."`
}

type challengePasskeyRequest struct {
	Body challengePasskeyBody
}

func (s *Services) challengePasskey(ctx context.Context, req *challengePasskeyRequest) (*PasskeyAsk, error) {
	customer := CallerOf(ctx).Customer
	challenge, keys, err := s.Auth.ChallengePasskey(ctx, customer, req.Body.Password, req.Body.PIN)
	if err != nil {
		return nil, err
	}
	ask := s.passkeyAsk(challenge, keys)
	ask.UserHandle = string(customer)
	return ask, nil
}

type addPasskeyBody struct {
	PasskeyBody
	Name string `json:"name" minLength:"1" maxLength:"64"`
}

type addPasskeyRequest struct {
	Body addPasskeyBody
}

func (s *Services) addPasskey(ctx context.Context, req *addPasskeyRequest) (*auth.Passkey, error) {
	key, err := s.Auth.AddPasskey(ctx, CallerOf(ctx).Customer, req.Body.Name, req.Body.answer())
	return &key, err
}

type renamePasskeyBody struct {
	Name string `json:"name" minLength:"1" maxLength:"64"`
}

type renamePasskeyRequest struct {
	ID   id.Passkey `path:"id"`
	Body renamePasskeyBody
}

func (s *Services) renamePasskey(ctx context.Context, req *renamePasskeyRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RenamePasskey(ctx, CallerOf(ctx).Customer, req.ID, req.Body.Name)
}

type removePasskeyRequest struct {
	ID id.Passkey `path:"id"`
}

func (s *Services) removePasskey(ctx context.Context, req *removePasskeyRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RemovePasskey(ctx, CallerOf(ctx).Customer, req.ID)
}

func (s *Services) beginTOTP(ctx context.Context, req *passwordRequest) (*auth.Enrolment, error) {
	enrolment, err := s.Auth.BeginTOTP(ctx, CallerOf(ctx).Customer, req.Body.Password)
	return &enrolment, err
}

type confirmTOTPBody struct {
	TOTP string `json:"totp" minLength:"6" maxLength:"6"`
}

type confirmTOTPRequest struct {
	Body confirmTOTPBody
}

// RecoveryCodes stand in for an authenticator app that was lost, each once. They are shown this once.
type RecoveryCodes struct {
	Codes []string `json:"recovery_codes"`
}

func (s *Services) confirmTOTP(ctx context.Context, req *confirmTOTPRequest) (*RecoveryCodes, error) {
	codes, err := s.Auth.ConfirmTOTP(ctx, CallerOf(ctx).Customer, req.Body.TOTP)
	return &RecoveryCodes{Codes: codes}, err
}

type removeTOTPBody struct {
	PasswordBody
	TOTP string `json:"totp" minLength:"6" maxLength:"20" doc:"A code of the app, or a recovery code."`
}

type removeTOTPRequest struct {
	Body removeTOTPBody
}

func (s *Services) removeTOTP(ctx context.Context, req *removeTOTPRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RemoveTOTP(ctx, CallerOf(ctx).Customer, req.Body.Password, req.Body.TOTP)
}

type setGestureBody struct {
	PasswordBody
	Gesture string `json:"gesture" minLength:"4" maxLength:"9" doc:"The points it passes, 1 to 9 in rows from the top left." example:"14789"`
}

type setGestureRequest struct {
	Body setGestureBody
}

func (s *Services) setGesture(ctx context.Context, req *setGestureRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.SetGesture(ctx, sessionOf(CallerOf(ctx)), req.Body.Password, req.Body.Gesture)
}

func (s *Services) lock(ctx context.Context, _ *empty) (*NoContent, error) {
	return &NoContent{}, s.Auth.Lock(ctx, sessionOf(CallerOf(ctx)))
}

type unlockBody struct {
	Gesture string `json:"gesture" minLength:"4" maxLength:"9"`
}

type unlockRequest struct {
	Body unlockBody
}

func (s *Services) unlock(ctx context.Context, req *unlockRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.Unlock(ctx, sessionOf(CallerOf(ctx)), req.Body.Gesture)
}

type resetPasswordBody struct {
	Phone  string `json:"phone" minLength:"5" maxLength:"32" example:"+8613800000001"`
	New    string `json:"new_password" minLength:"8" maxLength:"128"`
	CodeID string `json:"code_id" minLength:"1" maxLength:"80" doc:"From POST /wallet/v1/codes with the purpose reset_password."`
	Code   string `json:"code" minLength:"6" maxLength:"6"`
	TOTP   string `json:"totp,omitempty" maxLength:"20" doc:"Where the wallet has an authenticator app: its code, or a recovery code."`
	PapersBody
}

// PapersBody is the document of who recovers a wallet.
type PapersBody struct {
	DocumentName   string `json:"document_name,omitempty" maxLength:"100" doc:"Where the wallet was verified: the name on the document."`
	DocumentNumber string `json:"document_number,omitempty" maxLength:"40" doc:"Where the wallet was verified: the number of the document."`
}

func (b PapersBody) papers() auth.Papers {
	return auth.Papers{Name: b.DocumentName, Number: b.DocumentNumber}
}

type resetPasswordRequest struct {
	Body resetPasswordBody
}

func (s *Services) resetPassword(ctx context.Context, req *resetPasswordRequest) (*NoContent, error) {
	noteLogin(ctx, req.Body.Phone)
	return &NoContent{}, s.Auth.ResetPassword(ctx, auth.PasswordReset{
		Phone: req.Body.Phone, New: req.Body.New, Code: auth.CodeAnswer{ID: req.Body.CodeID, Digits: req.Body.Code},
		TOTP: req.Body.TOTP, Papers: req.Body.papers(), Address: AddressOf(ctx),
	})
}

type restorePINBody struct {
	PIN string `json:"pin" minLength:"6" maxLength:"6" doc:"The payment PIN as it was before the reset."`
}

type restorePINRequest struct {
	Body restorePINBody
}

func (s *Services) restorePIN(ctx context.Context, req *restorePINRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RestorePIN(ctx, sessionOf(CallerOf(ctx)), req.Body.PIN)
}
