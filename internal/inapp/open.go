package inapp

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/payment"
)

// Opened is an app request as the payer sees it.
type Opened struct {
	ID        id.AppRequest     `json:"id"`
	App       string            `json:"app" doc:"The app that handed it over, as the merchant named it."`
	ExpiresAt time.Time         `json:"expires_at"`
	Payment   payment.PayerView `json:"payment"`
	Path      string            `json:"path,omitempty" doc:"Where to POST the proof; left out where the payment waits no more." example:"/wallet/v1/payments/pay_…/confirm"`
}

// Opening is what the wallet was opened with. Caller is the app that opened it, as the phone's system says; "" where
// it does not say.
type Opening struct {
	Customer id.Customer
	Document string
	Caller   string
}

func invalid() error {
	return fault.New(fault.Invalid, "app_request.invalid", "this request was not made by this platform, or was changed").
		WithParam("request")
}

func requestNotFound() error {
	return fault.New(fault.NotFound, "app_request.not_found", "there is no such app request")
}

// Open reads a signed request, or the address that it came in, and makes it the payer's: nobody else can open it then.
// The same payer may again until its time is over. Errors: app_request.invalid, app_request.expired,
// app_request.wrong_app, app_request.taken, payment.taken_down, payment.not_found.
func (r *Requests) Open(ctx context.Context, o Opening) (Opened, error) {
	var claims Claims
	if err := r.Signer.Verify(RequestType, strings.TrimPrefix(o.Document, scheme), &claims); err != nil {
		return Opened{}, invalid()
	}
	if claims.Expires <= r.Clock.Now().Unix() {
		return Opened{}, fault.New(fault.Conflict, "app_request.expired", "the time of this request is over").
			WithHint("go back to the app and pay again")
	}
	if o.Caller != "" && o.Caller != claims.App {
		return Opened{}, fault.New(fault.Conflict, "app_request.wrong_app", "another app hands this request over").
			WithParam("caller_app")
	}
	view, err := r.Payments.ForPayer(ctx, o.Customer, claims.Payment)
	if err != nil {
		return Opened{}, err
	}
	down, err := r.Payments.IsTakenDown(ctx, string(claims.Payment))
	if err != nil {
		return Opened{}, err
	}
	if down != "" && view.State == payment.Created {
		return Opened{}, payment.TakenDown()
	}
	if err := r.take(ctx, claims.ID, o.Customer); err != nil {
		return Opened{}, err
	}
	opened := Opened{
		ID: claims.ID, App: claims.App, ExpiresAt: time.Unix(claims.Expires, 0).UTC(), Payment: view,
	}
	if view.State == payment.Created && view.ExpiresAt.After(r.Clock.Now()) {
		opened.Path = "/wallet/v1/payments/" + string(view.ID) + "/confirm"
	}
	return opened, nil
}

// take makes a request the customer's.
func (r *Requests) take(ctx context.Context, name id.AppRequest, customer id.Customer) error {
	key := r.table.Key(string(name))
	return fault.Wrap(r.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := r.table.Get(tx, key)
		if err != nil {
			return err
		}
		switch {
		case !found:
			return invalid()
		case row.customer == customer:
			return nil
		case row.customer != "":
			return fault.New(fault.Conflict, "app_request.taken", "somebody else has opened this request").
				WithHint("go back to the app and pay again")
		}
		row.customer, row.opened = customer, tx.Now()
		r.table.Put(tx, row)
		return nil
	}), "open "+string(name))
}

// WayBack is where the wallet sends the payer.
type WayBack struct {
	URL    string `json:"url" doc:"The app's address, with the signed result in feiqian_result."`
	Result string `json:"result" doc:"The signed result: a JWS in compact form. It says what the payment was now, and decides nothing."`
}

// Back signs what the payment is now for the payer who opened the request, whether paid or not. Errors:
// app_request.not_found, also for another's; payment.not_found where somebody else has paid.
func (r *Requests) Back(ctx context.Context, customer id.Customer, name id.AppRequest) (WayBack, error) {
	row, err := r.read(ctx, name)
	if err != nil {
		return WayBack{}, err
	}
	if row.customer != customer {
		return WayBack{}, requestNotFound()
	}
	view, err := r.Payments.ForPayer(ctx, customer, row.Payment)
	if err != nil {
		return WayBack{}, err
	}
	now := r.Clock.Now()
	result, err := r.Signer.Sign(ResultType, Result{
		ID: row.ID, Payment: row.Payment, Merchant: row.merchant, App: row.App, State: view.State, Amount: view.Minor,
		Currency: view.Currency, IssuedAt: now.Unix(), Expires: now.Add(resultLife).Unix(),
	})
	if err != nil {
		return WayBack{}, fault.Wrap(err, "sign a result")
	}
	address, err := url.Parse(row.ReturnURL)
	if err != nil {
		return WayBack{}, fault.Wrap(err, "read the address of "+string(name))
	}
	query := address.Query()
	query.Set(resultParam, result)
	address.RawQuery = query.Encode()
	return WayBack{URL: address.String(), Result: result}, nil
}
