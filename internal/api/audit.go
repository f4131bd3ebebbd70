package api

import (
	"context"
	"io"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
)

// The audit trail's door: /ops/v1/audit.

func (s *Services) auditEndpoints() []Endpoint {
	return []Endpoint{
		Handle(opsRoute(auth.ReadAudit, get, "/audit", "Audit", "search_audit",
			"Search the audit trail, newest first"), s.searchAudit),
		Handle(opsRoute(auth.ReadAudit, get, "/audit/head", "Audit", "get_audit_head",
			"Read the audit chain's key and newest signed head"), s.auditHead),
		Handle(opsRoute(auth.ReadAudit, post, "/audit/exports", "Audit", "export_audit",
			"Export the audit trail as JSON Lines or CSV; the export is recorded too"), s.exportAudit),
	}
}

type searchAuditRequest struct {
	Paging
	TimeRange
	Actor   string `query:"actor" maxLength:"64" doc:"Id of who acted."`
	Kind    string `query:"kind" maxLength:"64" doc:"Kind of act or event." example:"merchant.state_set"`
	Subject string `query:"subject" maxLength:"128" doc:"Id of what it is about."`
	Address string `query:"address" maxLength:"64" doc:"Network address it came from."`
}

func (s *Services) searchAudit(ctx context.Context, req *searchAuditRequest) (*Page[audit.Record], error) {
	rows, more, err := s.Trail.Search(ctx, audit.Query{
		Actor: req.Actor, Kind: req.Kind, Subject: req.Subject, Address: req.Address, From: req.From, To: req.To,
		Cursor: string(req.Cursor), Limit: req.Limit,
	})
	if err != nil {
		return nil, err
	}
	return pageOf(rows, more, func(r audit.Record) string { return r.Cursor() }), nil
}

// AuditHead is what an auditor keeps: the key that signs, and the newest head.
type AuditHead struct {
	Key       string    `json:"key"`
	Size      int64     `json:"size" doc:"Records in the chain."`
	Hash      string    `json:"hash" doc:"Hash of the chain, base64."`
	Note      string    `json:"note" doc:"Origin, size and hash with the signature, in the form of C2SP signed-note."`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

func (s *Services) auditHead(ctx context.Context, _ *empty) (*AuditHead, error) {
	head, err := s.AuditChain.Head(ctx)
	return &AuditHead{
		Key: s.AuditChain.Key(), Size: head.Size, Hash: head.Hash, Note: head.Note, CreatedAt: head.CreatedAt,
	}, err
}

type exportAuditBody struct {
	Format  audit.Format `json:"format" enum:"jsonl,csv"`
	Actor   string       `json:"actor,omitempty" maxLength:"64"`
	Kind    string       `json:"kind,omitempty" maxLength:"64"`
	Subject string       `json:"subject,omitempty" maxLength:"128"`
	Address string       `json:"address,omitempty" maxLength:"64"`
	From    time.Time    `json:"from,omitzero" doc:"First instant."`
	To      time.Time    `json:"to,omitzero" doc:"First instant after the range."`
}

// Check refuses a range that ends before it begins.
func (b *exportAuditBody) Check() error {
	r := TimeRange{From: b.From, To: b.To}
	return r.Check()
}

type exportAuditRequest struct {
	Body exportAuditBody
}

func (s *Services) exportAudit(ctx context.Context, req *exportAuditRequest) (*Stream, error) {
	if err := s.Trail.Write(ctx, audit.Act{Kind: "audit.exported", After: req.Body}); err != nil {
		return nil, err
	}
	b := req.Body
	query := audit.Query{
		Actor: b.Actor, Kind: b.Kind, Subject: b.Subject, Address: b.Address, From: b.From, To: b.To,
	}
	media, name := "application/x-ndjson", "audit.jsonl"
	if b.Format == audit.CSV {
		media, name = "text/csv; charset=utf-8", "audit.csv"
	}
	return &Stream{Type: media, Name: name, Write: func(ctx context.Context, w io.Writer) error {
		return s.Trail.Export(ctx, w, b.Format, query)
	}}, nil
}
