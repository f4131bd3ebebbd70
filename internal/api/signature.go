package api

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/signing"
)

// debugMax is the largest body of the debugger: a request and its signer's base as texts.
const debugMax = 256 << 10

// Signed requests: keys by people of the merchant, the debugger by its servers.

func (s *Services) signatureEndpoints() []Endpoint {
	portal := func(permission auth.Permission, method, path, name, summary string) Route {
		return Route{
			Method: method, Path: "/merchant/v1" + path, Actor: ActorUser, Permission: string(permission),
			Tag: "Signatures", Name: name, Summary: summary,
		}
	}
	created := func(r Route) Route { r.Status = http.StatusCreated; return r }
	debug := Route{
		Method: post, Path: "/v1/signatures/debug", Actor: ActorMerchant, Tag: "Signatures", Name: "debug_signature",
		Summary: "Say what was canonicalised of a signed request, and where it differs", Unsigned: true,
		BodyMaxBytes: debugMax,
		Description: "签名调试：返回待签名串的每一行、使用的密钥，以及不一致之处和修改办法。\n\n" +
			"Takes a request as you sent it, and answers the signature base line by line, which key was taken, and each " +
			"thing that is wrong with what to do about it. Nothing is done and no nonce is taken. It needs no signature itself.",
	}
	return []Endpoint{
		Handle(portal(auth.UserReadKeys, get, "/signing_keys", "list_own_signing_keys", "List the merchant's signing keys"),
			s.listSigningKeys),
		Handle(created(portal(auth.UserWriteKeys, post, "/signing_keys", "register_signing_key",
			"Register a public key that signs requests")), s.registerSigningKey),
		Handle(portal(auth.UserWriteKeys, post, "/signing_keys/{id}/revoke", "revoke_signing_key",
			"End a signing key, at once or after an overlap"), s.revokeSigningKey),
		Handle(portal(auth.UserReadKeys, get, "/signature_rule", "get_signature_rule",
			"Read whether requests must be signed"), s.getSignatureRule),
		Handle(portal(auth.UserWriteKeys, put, "/signature_rule", "set_signature_rule",
			"Require signatures of all requests to /v1, or not"), s.setSignatureRule),
		Handle(Route{
			Method: get, Path: "/v1/signing_keys", Actor: ActorMerchant, Tag: "Signatures", Name: "list_signing_keys",
			Summary: "List your signing keys",
		}, s.listSigningKeys),
		Handle(debug, s.debugSignature),
		Handle(opsRoute(auth.ReadMerchants, get, "/merchants/{id}/signing_keys", "Merchants",
			"list_merchant_signing_keys", "List a merchant's signing keys"), s.listSigningKeysOf),
		Handle(opsRoute(auth.WriteMerchants, post, "/merchants/{id}/signing_keys/{key}/revoke", "Merchants",
			"revoke_merchant_signing_key", "End a merchant's signing key"), s.revokeSigningKeyOf),
		Handle(opsRoute(auth.WriteMerchants, put, "/merchants/{id}/signature_rule", "Merchants",
			"set_merchant_signature_rule", "Require signatures of a merchant, or not"), s.setSignatureRuleOf),
	}
}

func (s *Services) listSigningKeys(ctx context.Context, _ *empty) (*Page[signing.PublicKey], error) {
	keys, err := s.Signing.List(ctx, CallerOf(ctx).Merchant)
	return &Page[signing.PublicKey]{Data: keys}, err
}

type registerSigningKeyBody struct {
	Name      string            `json:"name" minLength:"1" maxLength:"64" example:"till server, autumn"`
	PublicKey string            `json:"public_key" minLength:"1" maxLength:"8192" doc:"PEM (PUBLIC KEY), the base64 of an SPKI, or a JWK. Never a private key." example:"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----"`
	Algorithm httpsig.Algorithm `json:"algorithm,omitempty" enum:"ed25519,ecdsa-p256-sha256,rsa-pss-sha512,rsa-v1_5-sha256,sm2-sm3" doc:"The one algorithm that it is for. Needed for RSA keys that sign rsa-v1_5-sha256; else it follows from the key."`
}

type registerSigningKeyRequest struct {
	Body registerSigningKeyBody
}

func (s *Services) registerSigningKey(ctx context.Context, req *registerSigningKeyRequest) (*signing.PublicKey, error) {
	key, err := s.Signing.Register(ctx, signing.NewKey{
		Merchant: CallerOf(ctx).Merchant, Name: req.Body.Name, PublicKey: req.Body.PublicKey,
		Algorithm: req.Body.Algorithm,
	})
	return &key, err
}

type revokeSigningKeyBody struct {
	After int64 `json:"after_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long it goes on beside its successor; 0, the default, ends it at once."`
}

type revokeSigningKeyRequest struct {
	ID   id.SigningKey `path:"id"`
	Body revokeSigningKeyBody
}

func (s *Services) revokeSigningKey(ctx context.Context, req *revokeSigningKeyRequest) (*signing.PublicKey, error) {
	key, err := s.Signing.Revoke(ctx, CallerOf(ctx).Merchant, req.ID, time.Duration(req.Body.After)*time.Second)
	return &key, err
}

func (s *Services) getSignatureRule(ctx context.Context, _ *empty) (*signing.SignatureRule, error) {
	rule, err := s.Signing.RuleOf(ctx, CallerOf(ctx).Merchant)
	return &rule, err
}

type signatureRuleRequest struct {
	Body signing.SignatureRule
}

func (s *Services) setSignatureRule(ctx context.Context, req *signatureRuleRequest) (*signing.SignatureRule, error) {
	return &req.Body, s.Signing.Require(ctx, CallerOf(ctx).Merchant, req.Body.Required)
}

func (s *Services) listSigningKeysOf(ctx context.Context, req *merchantRequest) (*Page[signing.PublicKey], error) {
	keys, err := s.Signing.List(ctx, req.ID)
	return &Page[signing.PublicKey]{Data: keys}, err
}

type revokeSigningKeyOfRequest struct {
	ID  id.Merchant   `path:"id"`
	Key id.SigningKey `path:"key"`
}

func (s *Services) revokeSigningKeyOf(ctx context.Context, req *revokeSigningKeyOfRequest) (*signing.PublicKey, error) {
	key, err := s.Signing.Revoke(ctx, req.ID, req.Key, 0)
	return &key, err
}

type signatureRuleOfRequest struct {
	ID   id.Merchant `path:"id"`
	Body signing.SignatureRule
}

func (s *Services) setSignatureRuleOf(
	ctx context.Context,
	req *signatureRuleOfRequest,
) (*signing.SignatureRule, error) {
	return &req.Body, s.Signing.Require(ctx, req.ID, req.Body.Required)
}

type debugSignatureBody struct {
	HTTP    string            `json:"http,omitempty" maxLength:"131072" doc:"The whole request as it was sent: request line, headers, empty line, body. In place of the members below." example:"POST /v1/payments HTTP/1.1\r\nHost: pay.example.com\r\n…"`
	Method  string            `json:"method,omitempty" maxLength:"10" example:"POST"`
	URL     string            `json:"url,omitempty" maxLength:"4096" example:"https://pay.example.com/v1/payments"`
	Headers map[string]string `json:"headers,omitempty" maxProperties:"64" doc:"Headers by name, with Signature-Input and Signature. Leave Authorization out unless it is signed; it is never shown again."`
	Body    string            `json:"body,omitempty" maxLength:"65536" doc:"The body, byte by byte."`
	Base    string            `json:"signature_base,omitempty" maxLength:"32768" doc:"What you signed, to be compared line by line."`
}

// Check wants one way to say the request.
func (b *debugSignatureBody) Check() error {
	if (b.HTTP == "") == (b.Method == "" || b.URL == "") {
		return fault.New(fault.Invalid, codeMissingField, "send http, or method and url").WithParam("method")
	}
	return nil
}

type debugSignatureRequest struct {
	Body debugSignatureBody
}

func (s *Services) debugSignature(ctx context.Context, req *debugSignatureRequest) (*httpsig.Diagnosis, error) {
	message, err := req.Body.message()
	if err != nil {
		return nil, fault.New(fault.Invalid, "signature.request_unreadable", err.Error())
	}
	report, err := s.Signing.Debug(ctx, CallerOf(ctx).Merchant, message, req.Body.Base)
	return &report, err
}

// message reads the request that is asked about.
func (b *debugSignatureBody) message() (httpsig.Message, error) {
	if b.HTTP != "" {
		return readHTTP(b.HTTP)
	}
	target, err := url.Parse(b.URL)
	if err != nil || target.Host == "" {
		return httpsig.Message{}, errors.New("url must be the whole address: https://…")
	}
	header := http.Header{}
	for name, value := range b.Headers {
		header.Add(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	return httpsig.Message{
		Method: b.Method, Scheme: strings.ToLower(target.Scheme), Authority: authority(target.Host, target.Scheme),
		Path: target.EscapedPath(), RawQuery: target.RawQuery, Header: header, Body: []byte(b.Body),
	}, nil
}

// readHTTP reads a request as it goes over the wire; lines may end in LF alone, and the body is all that is behind the
// empty line. It was sent by https unless its line says otherwise.
func readHTTP(text string) (httpsig.Message, error) {
	head, body, found := strings.Cut(text, "\r\n\r\n")
	if !found {
		head, body, _ = strings.Cut(text, "\n\n")
	}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
	if err != nil {
		return httpsig.Message{}, errors.New("http is no request: a line such as POST /v1/payments HTTP/1.1, headers, " +
			"an empty line, the body")
	}
	scheme := "https"
	if request.URL.Scheme != "" {
		scheme = request.URL.Scheme
	}
	return httpsig.Message{
		Method: request.Method, Scheme: scheme, Authority: authority(request.Host, scheme), Path: request.URL.EscapedPath(),
		RawQuery: request.URL.RawQuery, Header: request.Header, Body: []byte(body),
	}, nil
}
