package onboarding

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// DocumentKind says what a document proves.
type DocumentKind string

// The kinds of documents.
const (
	BusinessLicence  DocumentKind = "business_licence"
	RepresentativeID DocumentKind = "legal_representative_id"
	SettlementProof  DocumentKind = "settlement_account_proof"
	OwnershipProof   DocumentKind = "ownership_proof"
	OtherDocument    DocumentKind = "other"
	documentsMax                  = 12
	DocumentMaxBytes              = 4 << 20
)

// Kinds lists all kinds of documents.
func Kinds() []DocumentKind {
	return []DocumentKind{BusinessLicence, RepresentativeID, SettlementProof, OwnershipProof, OtherDocument}
}

// Required lists the documents without which nothing is submitted.
func Required() []DocumentKind {
	return []DocumentKind{BusinessLicence, RepresentativeID, SettlementProof}
}

// Document is an uploaded document, without its content.
type Document struct {
	ID        id.ApplicationDocument `json:"id"`
	Kind      DocumentKind           `json:"kind"`
	MediaType string                 `json:"media_type"`
	Size      int64                  `json:"size_bytes"`
	SHA256    string                 `json:"sha256" doc:"Of the content, in hexadecimal."`
	CreatedAt time.Time              `json:"created_at"`
}

// mediaTypes are the first bytes of what is taken (JPEG: ITU-T T.81 SOI and a marker; PNG: ISO/IEC 15948 §5.2; PDF: ISO
// 32000-1 §7.5.2). What a file is named or said to be does not count.
var mediaTypes = []struct { //nolint:gochecknoglobals // a constant table
	magic []byte
	name  string
}{
	{[]byte{0xff, 0xd8, 0xff}, "image/jpeg"},
	{[]byte("\x89PNG\r\n\x1a\n"), "image/png"},
	{[]byte("%PDF-"), "application/pdf"},
}

// MediaTypeOf returns the type of a content by its first bytes, "" for what is not taken.
func MediaTypeOf(plain []byte) string {
	for _, media := range mediaTypes {
		if bytes.HasPrefix(plain, media.magic) {
			return media.name
		}
	}
	return ""
}

func (a Application) has(kind DocumentKind) bool {
	return slices.ContainsFunc(a.Documents, func(d Document) bool { return d.Kind == kind })
}

func (a Application) document(name id.ApplicationDocument) (Document, bool) {
	i := slices.IndexFunc(a.Documents, func(d Document) bool { return d.ID == name })
	if i < 0 {
		return Document{}, false
	}
	return a.Documents[i], true
}

// AddDocument stores a document of at most 4 MiB, sealed. Errors: onboarding.bad_document,
// onboarding.too_many_documents, onboarding.not_editable.
func (o *Onboarding) AddDocument(
	ctx context.Context, name id.Application, kind DocumentKind, plain []byte,
) (Document, error) {
	bad := func(message string) error {
		return fault.New(fault.Invalid, "onboarding.bad_document", message).WithParam("content")
	}
	media := MediaTypeOf(plain)
	switch {
	case !slices.Contains(Kinds(), kind):
		return Document{}, fault.From(bad("this kind of document is not known")).WithParam("kind")
	case len(plain) > DocumentMaxBytes:
		return Document{}, bad("a document has at most 4 MiB")
	case media == "":
		return Document{}, bad("a document is a JPEG, a PNG or a PDF")
	}
	now, sum := o.Clock.Now(), sha256.Sum256(plain)
	d := Document{
		ID: id.New[id.ApplicationDocument](now), Kind: kind, MediaType: media, Size: int64(len(plain)),
		SHA256: hex.EncodeToString(sum[:]), CreatedAt: now,
	}
	sealed, err := o.Vault.Seal(purposeDocument, documentPlace(d.ID), plain)
	if err != nil {
		return Document{}, fault.Wrap(err, "seal a document")
	}
	_, err = o.change(ctx, name, nil, func(tx *commit.Tx, a *Application) error {
		if err := a.State.editable(); err != nil {
			return err
		}
		if len(a.Documents) >= documentsMax {
			return fault.Newf(fault.Conflict, "onboarding.too_many_documents",
				"an application has at most %d documents", documentsMax).WithHint("remove one first")
		}
		a.Documents = append(a.Documents, d)
		o.contents.Put(tx, content{ID: d.ID, Application: a.ID, Sealed: sealed, CreatedAt: now})
		return nil
	})
	return d, fault.Wrap(err, "add a document to "+string(name))
}

// RemoveDocument takes a document away, its content too. Errors: onboarding.document_not_found, also for another
// application's; onboarding.not_editable.
func (o *Onboarding) RemoveDocument(ctx context.Context, name id.Application, document id.ApplicationDocument) error {
	key := o.contents.Key(string(document))
	_, err := o.change(ctx, name, []commit.Key{key}, func(tx *commit.Tx, a *Application) error {
		row, found, err := o.contents.Get(tx, key)
		if err != nil {
			return err
		}
		_, listed := a.document(document)
		if !found || !listed || row.Application != a.ID {
			return documentNotFound()
		}
		if err := a.State.editable(); err != nil {
			return err
		}
		a.Documents = slices.DeleteFunc(a.Documents, func(d Document) bool { return d.ID == document })
		row.Sealed = []byte{}
		o.contents.Put(tx, row)
		return nil
	})
	return fault.Wrap(err, "remove "+string(document))
}

// Content opens a document of an application for a reviewer; that it was seen is recorded. Errors:
// onboarding.not_found, onboarding.document_not_found.
func (o *Onboarding) Content(
	ctx context.Context, name id.Application, document id.ApplicationDocument,
) (Document, []byte, error) {
	a, err := o.Application(ctx, name)
	if err != nil {
		return Document{}, nil, err
	}
	d, listed := a.document(document)
	if !listed {
		return Document{}, nil, documentNotFound()
	}
	sealed, err := o.readContent(ctx, document)
	if err != nil {
		return Document{}, nil, err
	}
	plain, err := o.OpenDocument(document, sealed)
	if err != nil {
		return Document{}, nil, err
	}
	return d, plain, o.recordSeen(ctx, name, string(document))
}

// OpenDocument decrypts what merchant_documents.sealed holds of a document. Errors: those of vault.Open.
func (o *Onboarding) OpenDocument(name id.ApplicationDocument, sealed []byte) ([]byte, error) {
	plain, err := o.Vault.Open(purposeDocument, documentPlace(name), sealed)
	return plain, fault.Wrap(err, "open "+string(name))
}

func documentNotFound() error {
	return fault.New(fault.NotFound, "onboarding.document_not_found", "there is no such document")
}
