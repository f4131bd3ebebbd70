package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

const (
	merchantID = id.Merchant("mer_01kanq4j3qf8yt0v5d7r2m9xce")
	customerID = id.Customer("cus_01kanq4j3qf8yt0v5d7r2m9xce")
	staffID    = id.Staff("stf_01kanq4j3qf8yt0v5d7r2m9xce")
	goodBody   = `{"amount":1999,"currency":"CNY","reference":"order 1"}`
)

// receipt is the tiny domain of these tests.
type receipt struct {
	ID id.Payment `json:"id"`
	money.Amount
	Reference string    `json:"reference"`
	Lines     []line    `json:"lines"`
	CreatedAt time.Time `json:"created_at"`
	Note      *string   `json:"note"`
}

type line struct {
	money.Amount `minimum:"1"`
	Name         string `json:"name" minLength:"1" maxLength:"20"`
}

type createReceipt struct {
	api.Idempotent
	Body createReceiptBody
}

type createReceiptBody struct {
	money.Amount `minimum:"1"`
	Reference    string            `json:"reference" minLength:"1" maxLength:"64"`
	Method       string            `json:"method,omitempty" enum:"wallet,card"`
	Lines        []line            `json:"lines,omitempty" maxItems:"3"`
	Payer        id.Customer       `json:"payer,omitempty"`
	Urgent       bool              `json:"urgent,omitempty"`
	ExpiresAt    time.Time         `json:"expires_at,omitzero"`
	Day          clock.Date        `json:"day,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty" maxProperties:"2"`
	Note         *string           `json:"note,omitzero" nullable:"true" maxLength:"5"`
	Email        string            `json:"email,omitempty" format:"email"`
}

func (b *createReceiptBody) Check() error {
	if b.Minor == 666 {
		return fault.New(fault.Invalid, "receipt.unlucky", "not this amount").WithParam("amount")
	}
	return nil
}

type getReceipt struct {
	ID     id.Payment `path:"id"`
	Expand []string   `query:"expand" enum:"payer,lines"`
	Loud   bool       `query:"loud"`
}

type listReceipts struct {
	api.Paging
	api.TimeRange
}

func create(_ context.Context, req *createReceipt) (*api.Answer[receipt], error) {
	body, err := api.Encode(&receipt{
		ID: "pay_01kanq4j3qf8yt0v5d7r2m9xce", Amount: req.Body.Amount, Reference: req.Body.Reference, Note: req.Body.Note,
		Lines: req.Body.Lines, CreatedAt: time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC),
	})
	return &api.Answer[receipt]{Status: 201, Body: body, Replayed: req.IdempotencyKey == "again"}, err
}

// outcomes are what the get route does, by the last characters of the id.
var outcomes = map[string]error{
	"1": fault.New(fault.Invalid, "a.invalid", "m").WithParam("p").WithHint("h"),
	"2": fault.New(fault.Unauthenticated, "a.unauthenticated", "m"),
	"3": fault.New(fault.Forbidden, "a.forbidden", "m"),
	"4": fault.New(fault.NotFound, "a.not_found", "m"),
	"5": fault.New(fault.Conflict, "a.conflict", "m"),
	"6": fault.New(fault.Mismatch, "a.mismatch", "m"),
	"7": fault.New(fault.Limited, "a.limited", "m").WithRetryAfter(1500 * time.Millisecond),
	"8": fault.New(fault.Unavailable, "a.unavailable", "m").WithRetryAfter(time.Second),
	"9": fault.New(fault.TooLarge, "a.too_large", "m"),
	"a": fault.New(fault.Timeout, "a.timeout", "m"),
	"b": fault.New(fault.Internal, "ledger.broken", "row of Zhang San").WithParam("secret").WithHint("secret"),
	"c": errors.New("dial tcp: secret host"),
}

func get(ctx context.Context, req *getReceipt) (*receipt, error) {
	last := string(req.ID[len(req.ID)-1])
	switch last {
	case "p":
		panic("secret reason")
	case "z":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := outcomes[last]; err != nil {
		return nil, err
	}
	reference := strings.Join(req.Expand, "+")
	if req.Loud {
		reference = "LOUD"
	}
	return &receipt{ID: req.ID, Amount: money.Zero("CNY"), Reference: reference}, nil
}

func list(_ context.Context, req *listReceipts) (*api.Page[receipt], error) {
	var rows []receipt
	for i := range 3 {
		row := receipt{ID: id.Payment("pay_01kanq4j3qf8yt0v5d7r2m9xc" + string(rune('0'+i))), Amount: money.Zero("CNY")}
		if string(row.ID) > string(req.Cursor) {
			rows = append(rows, row)
		}
	}
	return api.NewPage(rows, req.Limit, func(r receipt) string { return string(r.ID) }), nil
}

type whoami struct {
	ID      string     `json:"id"`
	Actor   string     `json:"actor"`
	Request id.Request `json:"request"`
}

func who(ctx context.Context, _ *struct{}) (*whoami, error) {
	caller := api.CallerOf(ctx)
	return &whoami{ID: caller.ID(), Actor: string(caller.Actor), Request: api.RequestIDOf(ctx)}, nil
}

func endpoints() []api.Endpoint {
	route := func(method, path string, actor api.Actor, name string) api.Route {
		r := api.Route{Method: method, Path: path, Actor: actor, Name: name, Tag: "Test", Summary: name}
		if actor == api.ActorStaff {
			r.Permission = "receipts.read"
		}
		return r
	}
	created := route("POST", "/v1/receipts", api.ActorMerchant, "create_receipt")
	created.Status = 201
	return []api.Endpoint{
		api.Handle(created, create),
		api.Handle(route("GET", "/v1/receipts/{id}", api.ActorMerchant, "get_receipt"), get),
		api.Handle(route("GET", "/v1/receipts", api.ActorMerchant, "list_receipts"), list),
		api.Handle(route("DELETE", "/v1/receipts/{id}", api.ActorMerchant, "delete_receipt"),
			func(context.Context, *struct {
				ID id.Payment `path:"id"`
			},
			) (*api.NoContent, error) {
				return &api.NoContent{}, nil
			}),
		api.Handle(route("GET", "/wallet/v1/me", api.ActorCustomer, "wallet_me"), who),
		api.Handle(route("POST", "/wallet/v1/me", api.ActorCustomer, "wallet_me_again"), who),
		api.Handle(route("GET", "/ops/v1/me", api.ActorStaff, "ops_me"), who),
		api.Handle(route("GET", "/pay/v1/me", api.ActorPublic, "public_me"), who),
	}
}

func verifiers() api.Verifiers {
	verify := func(want string, caller api.Caller) api.Verifier {
		return func(_ context.Context, token string) (api.Caller, error) {
			switch token {
			case want:
				return caller, nil
			case "nobody":
				return api.Caller{}, nil
			}
			return api.Caller{}, fault.New(fault.Unauthenticated, "auth.token_unknown", "this token is not known")
		}
	}
	staff := verify("staff", api.Caller{Staff: staffID, Permissions: []string{"receipts.read"}})
	return api.Verifiers{
		Merchant: verify("merchant", api.Caller{Merchant: merchantID}),
		Customer: verify("customer", api.Caller{Customer: customerID}),
		Staff: func(ctx context.Context, token string) (api.Caller, error) {
			if token == "trainee" {
				return api.Caller{Staff: staffID}, nil
			}
			return staff(ctx, token)
		},
	}
}

// newServer builds the server of the tests and returns what it logs.
func newServer(_ testing.TB, change ...func(*api.Options)) (*api.Server, *bytes.Buffer) {
	log := &bytes.Buffer{}
	options := api.Options{
		Version: "test", Verifiers: verifiers(), Endpoints: endpoints(),
		Log: slog.New(api.LogHandler(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))),
	}
	for _, f := range change {
		f(&options)
	}
	return api.New(options), log
}

func post(body any) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/v1/receipts", Token: "merchant", Key: "k1", Body: body}
}

func fetch(path string) apitest.Request {
	return apitest.Request{Method: "GET", Path: path, Token: "merchant"}
}
