package feiqian

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// NewAppRequest asks for a signed request that your app hands to the wallet.
type NewAppRequest = CreateAppRequestBody

// AppRequest signs a request for a payment that waits: give it to your app, which opens its URI. Errors:
// app_request.bad_app, app_request.bad_url, payment.not_found, payment.already_*, payment.expired.
func (p Payments) AppRequest(ctx context.Context, id string, request NewAppRequest) (*AppRequest, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var made AppRequest
	err = p.client.send(ctx, http.MethodPost, "/v1/payments/"+name+"/app_requests", nil, request, &made)
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// ErrAppResult says that a result was not signed by the platform, was changed, or is too old.
var ErrAppResult = errors.New("feiqian: not a genuine result of an app request")

// AppResult is what the wallet gives back to your app: what the payment was when the payer went back. It came over the
// payer's phone and decides nothing: whether it is paid, ask [Payments.Get] or wait for the event.
type AppResult struct {
	RequestID  string `json:"jti"`
	PaymentID  string `json:"sub"`
	MerchantID string `json:"merchant_id"`
	App        string `json:"app"`
	State      string `json:"state"`
	Amount     int64  `json:"amount"`
	Currency   string `json:"currency"`
	IssuedAt   int64  `json:"iat"`
	ExpiresAt  int64  `json:"exp"`
}

// PlatformKeys are the public keys with which a platform signs documents.
type PlatformKeys struct {
	keys map[string]ed25519.PublicKey
}

// PlatformKeys reads the platform's public keys; keep them, they seldom change.
func (c *Client) PlatformKeys(ctx context.Context) (PlatformKeys, error) {
	var document json.RawMessage
	if err := c.get(ctx, platformKeysPath, nil, &document); err != nil {
		return PlatformKeys{}, err
	}
	return ParsePlatformKeys(document)
}

const (
	platformKeysPath = "/.well-known/feiqian-keys.json"
	documentMax      = 8 << 10
	resultType       = "feiqian-app-result+jwt"
	resultParam      = "feiqian_result"
)

// ParsePlatformKeys reads a JWK set; keys of other kinds than Ed25519 are left out. Errors: it is none.
func ParsePlatformKeys(document []byte) (PlatformKeys, error) {
	var set struct {
		Keys []struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			X     string `json:"x"`
			ID    string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return PlatformKeys{}, errors.New("feiqian: this is no set of keys")
	}
	out := PlatformKeys{keys: map[string]ed25519.PublicKey{}}
	for _, key := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(key.X)
		if key.Type == "OKP" && key.Curve == "Ed25519" && err == nil && len(x) == ed25519.PublicKeySize {
			out.keys[key.ID] = x
		}
	}
	return out, nil
}

// VerifyAppResult checks a result, or the whole address with which your app was opened, without asking anybody. Errors:
// [ErrAppResult].
func (k PlatformKeys) VerifyAppResult(text string, now time.Time) (*AppResult, error) {
	if address, err := url.Parse(text); err == nil && address.Scheme != "" {
		text = address.Query().Get(resultParam)
	}
	var result AppResult
	if err := k.verify(resultType, text, &result); err != nil {
		return nil, err
	}
	if result.ExpiresAt <= now.Unix() {
		return nil, ErrAppResult
	}
	return &result, nil
}

// verify reads a JWS in compact form (RFC 7515) with Ed25519 (RFC 8037), of one type.
func (k PlatformKeys) verify(kind, document string, claims any) error {
	parts := strings.Split(document, ".")
	if len(document) > documentMax || len(parts) != 3 {
		return ErrAppResult
	}
	var header struct {
		Algorithm string `json:"alg"`
		ID        string `json:"kid"`
		Type      string `json:"typ"`
	}
	if readPart(parts[0], &header) != nil || header.Algorithm != "EdDSA" || header.Type != kind {
		return ErrAppResult
	}
	key, known := k.keys[header.ID]
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if !known || err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) ||
		readPart(parts[1], claims) != nil {
		return ErrAppResult
	}
	return nil
}

func readPart(part string, into any) error {
	body, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(body)).Decode(into)
}
