package api

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// How payers come in: registration, sessions, devices, PIN.

func (s *Services) signInEndpoints() []Endpoint {
	route := func(actor Actor, method, path, name, summary string) Route {
		return Route{Method: method, Path: "/wallet/v1" + path, Actor: actor, Tag: "Sign-in", Name: name, Summary: summary}
	}
	created := func(r Route) Route { r.Status = 201; return r }
	locked := func(r Route) Route { r.WhileLocked = true; return r }
	return []Endpoint{
		Handle(created(route(ActorPublic, post, "/register", "register", "Open a wallet")), s.register),
		Handle(created(route(ActorPublic, post, "/login", "login", "Sign in")), s.login),
		Handle(locked(route(ActorCustomer, post, "/logout", "logout", "Sign out")), s.logout),
		Handle(route(ActorCustomer, get, "/me", "get_me", "Who is signed in"), s.me),
		Handle(route(ActorCustomer, put, "/pin", "set_pin", "Set the payment PIN"), s.setPIN),
		Handle(
			route(ActorCustomer, put, "/password", "change_password", "Change the login password; other sessions end"),
			s.changePassword,
		),
		Handle(route(ActorCustomer, get, "/devices", "list_devices", "List devices"), s.listDevices),
		Handle(route(ActorCustomer, del, "/devices/{id}", "revoke_device", "Sign a device out for good"), s.revokeDevice),
	}
}

// Session is a fresh session of a customer. Token and the device's secret are shown this once.
type Session struct {
	Token     string         `json:"token" doc:"Send it as Authorization: Bearer."`
	ExpiresAt time.Time      `json:"expires_at"`
	Customer  party.Customer `json:"customer"`
	Device    SessionDevice  `json:"device"`
}

// SessionDevice is what a phone needs to make payment codes offline.
type SessionDevice struct {
	ID     id.Device `json:"id"`
	Name   string    `json:"name"`
	Handle string    `json:"handle" doc:"Ten digits that payment codes carry."`
	Secret string    `json:"secret" doc:"Base64url; payment codes are computed from it. Keep it in the phone's key store."`
}

type registerBody struct {
	Phone      string `json:"phone" minLength:"5" maxLength:"32" example:"+8613800000001"`
	Name       string `json:"name" minLength:"1" maxLength:"64"`
	Password   string `json:"password" minLength:"8" maxLength:"128" doc:"The login password; not the payment PIN."`
	CodeID     string `json:"code_id" minLength:"1" maxLength:"80" doc:"From POST /wallet/v1/codes with the purpose register."`
	Code       string `json:"code" minLength:"6" maxLength:"6" doc:"The one-time code that the phone got."`
	DeviceName string `json:"device_name,omitempty" maxLength:"64"`
	Proves     bool   `json:"device_proves,omitempty" doc:"The device promises to prove itself at each confirmation."`
}

type registerRequest struct {
	Body registerBody
}

func (s *Services) register(ctx context.Context, req *registerRequest) (*Session, error) {
	address := AddressOf(ctx)
	if err := s.Limits.mayRegister(address); err != nil {
		return nil, err
	}
	customer, err := s.Auth.RegisterByCode(
		ctx,
		auth.Registration{Phone: req.Body.Phone, Name: req.Body.Name, Password: req.Body.Password},
		auth.CodeAnswer{ID: req.Body.CodeID, Digits: req.Body.Code},
	)
	if err != nil {
		return nil, err
	}
	signedIn, err := s.Auth.StartSession(ctx, customer.ID, auth.DeviceRequest{
		Name: req.Body.DeviceName, Proves: req.Body.Proves,
	})
	if err != nil {
		return nil, err
	}
	return s.session(customer, signedIn), nil
}

func (s *Services) session(customer party.Customer, in auth.SignedIn) *Session {
	secret := s.Wallets.Secret(in.Device.ID)
	return &Session{
		Token: in.Token, ExpiresAt: in.Session.ExpiresAt, Customer: customer,
		Device: SessionDevice{
			ID: in.Device.ID, Name: in.Device.Name, Handle: in.Device.Handle,
			Secret: base64.RawURLEncoding.EncodeToString(secret[:]),
		},
	}
}

type loginBody struct {
	Phone    string `json:"phone" minLength:"5" maxLength:"32" example:"+8613800000001"`
	Password string `json:"password" minLength:"1" maxLength:"128"`
	DeviceBody

	CodeID      string            `json:"code_id,omitempty" maxLength:"80" doc:"On a new device: from POST /wallet/v1/codes with the purpose sign_in."`
	Code        string            `json:"code,omitempty" maxLength:"6" doc:"The one-time code that the phone got."`
	TOTP        string            `json:"totp,omitempty" maxLength:"20" doc:"In place of a one-time code: that of the authenticator app, or a recovery code."`
	DeviceProof *auth.DeviceProof `json:"device_proof,omitempty" doc:"In place of a one-time code, on a device used before; see docs/credentials.md."`
}

// DeviceBody says on which device somebody signs in.
type DeviceBody struct {
	DeviceID   id.Device `json:"device_id,omitempty" maxLength:"40" doc:"A device used before; leave it out for a new one."`
	DeviceName string    `json:"device_name,omitempty" maxLength:"64"`
	Proves     bool      `json:"device_proves,omitempty" doc:"The device promises to prove itself at each confirmation."`
}

func (b DeviceBody) request() auth.DeviceRequest {
	return auth.DeviceRequest{ID: b.DeviceID, Name: b.DeviceName, Proves: b.Proves}
}

type loginRequest struct {
	Body loginBody
}

func (s *Services) login(ctx context.Context, req *loginRequest) (*Session, error) {
	noteLogin(ctx, req.Body.Phone)
	asked := auth.SignInRequest{
		Phone: req.Body.Phone, Password: req.Body.Password, Address: AddressOf(ctx), Device: req.Body.request(),
		Code: auth.CodeAnswer{ID: req.Body.CodeID, Digits: req.Body.Code}, TOTP: req.Body.TOTP,
	}
	if req.Body.DeviceProof != nil {
		asked.Proof = *req.Body.DeviceProof
	}
	signedIn, err := s.Auth.SignIn(ctx, asked)
	if err != nil {
		return nil, err
	}
	noteSignedIn(ctx, signedIn.Session.SubjectID)
	customer, err := s.Parties.Customer(ctx, signedIn.Session.Customer())
	if err != nil {
		return nil, err
	}
	return s.session(customer, signedIn), nil
}

type empty struct{}

func (s *Services) logout(ctx context.Context, _ *empty) (*NoContent, error) {
	return &NoContent{}, s.Auth.SignOut(ctx, sessionOf(CallerOf(ctx)))
}

func sessionOf(c Caller) auth.Session {
	if c.Actor == ActorStaff {
		return auth.Session{ID: c.Session, Kind: auth.KindStaff, SubjectID: string(c.Staff)}
	}
	if c.Actor == ActorUser {
		return auth.Session{ID: c.Session, Kind: auth.KindUser, SubjectID: string(c.User)}
	}
	return auth.Session{ID: c.Session, Kind: auth.KindCustomer, SubjectID: string(c.Customer), DeviceID: c.Device}
}

// Me is the customer who is signed in.
type Me struct {
	party.Customer
	HasPIN bool      `json:"has_pin" doc:"Whether a payment PIN is set."`
	Device id.Device `json:"device_id"`
}

func (s *Services) me(ctx context.Context, _ *empty) (*Me, error) {
	caller := CallerOf(ctx)
	customer, err := s.Parties.Customer(ctx, caller.Customer)
	if err != nil {
		return nil, err
	}
	has, err := s.Auth.HasPIN(ctx, caller.Customer)
	return &Me{Customer: customer, HasPIN: has, Device: caller.Device}, err
}

type setPINBody struct {
	PIN      string `json:"pin" minLength:"6" maxLength:"6" doc:"Six digits, not easily guessed."`
	OldPIN   string `json:"old_pin,omitempty" maxLength:"6"`
	Password string `json:"password,omitempty" maxLength:"128" doc:"The login password, where there is no old PIN."`
	PapersBody
}

type setPINRequest struct {
	Body setPINBody
}

func (s *Services) setPIN(ctx context.Context, req *setPINRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.SetPIN(ctx, auth.PINChange{
		Customer: CallerOf(ctx).Customer, OldPIN: req.Body.OldPIN, Password: req.Body.Password, NewPIN: req.Body.PIN,
		Papers: req.Body.papers(),
	})
}

type changePasswordBody struct {
	Old string `json:"old_password" minLength:"1" maxLength:"128"`
	New string `json:"new_password" minLength:"8" maxLength:"128"`
}

type changePasswordRequest struct {
	Body changePasswordBody
}

func (s *Services) changePassword(ctx context.Context, req *changePasswordRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.ChangePassword(ctx, auth.PasswordChange{
		Session: sessionOf(CallerOf(ctx)), Old: req.Body.Old, New: req.Body.New,
	})
}

func (s *Services) listDevices(ctx context.Context, _ *empty) (*Page[auth.Device], error) {
	devices, err := s.Auth.ListDevices(ctx, CallerOf(ctx).Customer)
	return &Page[auth.Device]{Data: devices}, err
}

type revokeDeviceRequest struct {
	ID id.Device `path:"id"`
}

func (s *Services) revokeDevice(ctx context.Context, req *revokeDeviceRequest) (*NoContent, error) {
	return &NoContent{}, s.Auth.RevokeDevice(ctx, CallerOf(ctx).Customer, req.ID)
}
