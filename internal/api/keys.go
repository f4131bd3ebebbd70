package api

import (
	"context"
	"net/http"

	"github.com/feiqian/feiqian/internal/approval"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/vault"
)

// The staff's door to data keys: /ops/v1/keys. The keys themselves never pass it.

func (s *Services) keyEndpoints() []Endpoint {
	route := func(method, path, name, summary, description string) Route {
		r := opsRoute(auth.Operate, method, "/keys"+path, "System", name, summary)
		r.Description = description
		return r
	}
	rotate := route(post, "/{purpose}/rotations", "rotate_key", "Make a new data key for a purpose",
		"轮换数据密钥：新数据用新密钥加密，旧数据在后台重新加密，不停机。\n\n"+
			"It seals what is new at once; what is under older keys is sealed again in the background.")
	rotate.Status, rotate.Proposes = http.StatusCreated, true
	retire := route(post, "/{purpose}/versions/{version}/retire", "retire_key", "Destroy an old data key for good",
		"销毁旧密钥，不可恢复；仍有数据使用它时拒绝。\n\nRefused while rows are under it.")
	retire.Proposes = true
	return []Endpoint{
		Handle(route(get, "", "list_data_keys", "List data keys with the rows under each",
			"列出数据密钥的版本、状态和各自的数据行数。"), s.listDataKeys),
		Handle(rotate, s.rotateKey),
		Handle(retire, s.retireKey),
	}
}

func (s *Services) listDataKeys(ctx context.Context, _ *empty) (*Page[vault.Key], error) {
	keys, err := s.Vault.Keys(ctx)
	return &Page[vault.Key]{Data: keys}, err
}

type rotateKeyRequest struct {
	Purpose string `path:"purpose" maxLength:"64"`
	Body    Because
}

func (s *Services) rotateKey(ctx context.Context, req *rotateKeyRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusCreated, approval.Order{
		Kind: approval.KeyRotate, Request: approval.KeyRotation{Purpose: req.Purpose}, Reason: req.Body.Reason,
	})
}

type retireKeyRequest struct {
	Purpose string `path:"purpose" maxLength:"64"`
	Version int64  `path:"version" minimum:"1"`
	Body    Because
}

func (s *Services) retireKey(ctx context.Context, req *retireKeyRequest) (*Answer[Acted], error) {
	return s.act(ctx, http.StatusOK, approval.Order{
		Kind: approval.KeyRetire, Request: approval.KeyRetirement{Purpose: req.Purpose, Version: req.Version},
		Reason: req.Body.Reason,
	})
}
