package feiqian

import (
	"context"
	"net/http"
)

// Signatures are the keys that sign requests, and the debugger of signatures. Keys are registered in the merchant
// portal, by people.
type Signatures struct{ client *Client }

// Keys lists the registered keys, newest first.
func (s Signatures) Keys(ctx context.Context) ([]PublicKey, error) {
	var page PagePublicKey
	if err := s.client.get(ctx, "/v1/signing_keys", nil, &page); err != nil {
		return nil, err
	}
	return page.Data, nil
}

// Debug says what the server canonicalised of a signed request, which key it took, and what is wrong with what to do
// about it.
func (s Signatures) Debug(ctx context.Context, question DebugSignatureBody) (*Diagnosis, error) {
	var found Diagnosis
	if err := s.client.send(ctx, http.MethodPost, "/v1/signatures/debug", nil, question, &found); err != nil {
		return nil, err
	}
	return &found, nil
}
