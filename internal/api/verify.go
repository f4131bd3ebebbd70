package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// Verifiers returns the ways to tell who calls, on package auth.
func (s *Services) Verifiers() Verifiers {
	return Verifiers{
		Merchant:  s.verifyMerchant,
		Customer:  s.verifyCustomer,
		Staff:     s.verifyStaff,
		User:      s.verifyUser,
		Applicant: s.verifyApplicant,
	}
}

func (s *Services) verifyMerchant(ctx context.Context, token string) (Caller, error) {
	holder, err := s.Auth.AuthenticateKey(ctx, token)
	return Caller{Merchant: holder.Merchant, Key: holder.Key, MustSign: holder.MustSign}, err
}

func (s *Services) verifyCustomer(ctx context.Context, token string) (Caller, error) {
	session, err := s.Auth.Authenticate(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	if session.Kind != auth.KindCustomer {
		return Caller{}, wrongDoor()
	}
	caller := Caller{
		Customer: session.Customer(), Session: session.ID, Device: session.DeviceID, Frozen: session.Frozen,
		DeviceSince: session.DeviceSince, DeviceProves: session.DeviceProves,
	}
	if err := s.Auth.Admit(ctx, session); err != nil {
		caller.Locked = err
	}
	return caller, nil
}

func (s *Services) verifyStaff(ctx context.Context, token string) (Caller, error) {
	session, err := s.Auth.Authenticate(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	if session.Kind != auth.KindStaff {
		return Caller{}, wrongDoor()
	}
	caller := Caller{Staff: session.Staff(), Session: session.ID}
	for _, permission := range auth.Permissions(session.Role) {
		caller.Permissions = append(caller.Permissions, string(permission))
	}
	return caller, nil
}

func (s *Services) verifyUser(ctx context.Context, token string) (Caller, error) {
	session, err := s.Auth.Authenticate(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	if session.Kind != auth.KindUser {
		return Caller{}, wrongDoor()
	}
	caller := Caller{User: session.User(), Merchant: session.Merchant, Store: session.Store, Session: session.ID}
	for _, permission := range auth.UserPermissions(party.MerchantRole(session.Role)) {
		caller.Permissions = append(caller.Permissions, string(permission))
	}
	return caller, nil
}

func (s *Services) verifyApplicant(ctx context.Context, token string) (Caller, error) {
	application, err := s.Onboarding.Authenticate(ctx, token)
	return Caller{Application: application}, err
}

func wrongDoor() error {
	return fault.New(fault.Unauthenticated, "auth.session_invalid", "this session is not for this door").
		WithHint("customers use /wallet/v1, merchants' users /merchant/v1, staff /ops/v1")
}

// active refuses acts of a frozen customer, who may look and not act.
func active(ctx context.Context) error {
	if CallerOf(ctx).Frozen {
		return fault.New(fault.Forbidden, "auth.frozen", "this wallet is frozen; you can look and not act").
			WithHint("ask the operator's support")
	}
	return nil
}

// Limits bound what strangers may try on this node.
type Limits struct {
	registrations *auth.Limiter
	guesses       *auth.Limiter
	lookUps       *auth.Limiter
}

const limitsMax = 50_000

// NewLimits returns the limits: registrations from one address 60 at once and then one a second;
// payment codes that do not hold, for one merchant 30 at once and then one every two seconds; looking up
// payees, for one customer 60 at once and then one every two seconds.
func NewLimits(clk *clock.Clock) *Limits {
	return &Limits{
		registrations: auth.NewLimiter(clk, auth.Rate{Every: time.Second, Burst: 60}, limitsMax),
		guesses:       auth.NewLimiter(clk, auth.Rate{Every: 2 * time.Second, Burst: 30}, limitsMax),
		lookUps:       auth.NewLimiter(clk, auth.Rate{Every: 2 * time.Second, Burst: 60}, limitsMax),
	}
}

func (l *Limits) mayRegister(address string) error {
	if ok, wait := l.registrations.Allow(address); !ok {
		return limited("too many registrations from here", wait)
	}
	return nil
}

func (l *Limits) mayLookUp(customer string) error {
	if ok, wait := l.lookUps.Allow(customer); !ok {
		return limited("too many payees looked up", wait)
	}
	return nil
}

func (l *Limits) mayGuess(merchant string) error {
	if wait := l.guesses.Wait(merchant); wait > 0 {
		return limited("too many payment codes that did not hold", wait)
	}
	return nil
}

// guessed counts a payment code that did not hold.
func (l *Limits) guessed(merchant string, err error) {
	if code := fault.CodeOf(
		err,
	); code == "wallet.code_invalid" || code == "wallet.code_expired" ||
		code == "wallet.code_used" {
		l.guesses.Allow(merchant)
	}
}

func limited(message string, wait time.Duration) error {
	return fault.New(fault.Limited, "request.too_many", message).WithRetryAfter(wait)
}

func secondsOf(n int) time.Duration { return time.Duration(n) * time.Second }
