package privacy

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/onboarding"
)

// userSections is the table of all that is held about a merchant's user, but for secrets.
func userSections() []Section {
	return slices.Concat([]Section{
		{Name: "user", Query: `SELECT id, merchant_id, store_id, email, name, role, state,
			locked_until AS locked_until_at, invited_until AS invited_until_at, created_at
			FROM merchant_users WHERE id = $1`},
		{Name: "sessions", Query: `SELECT id, created_at, expires_at, revoked_at FROM sessions
			WHERE subject_id = $1 AND subject_kind = 'merchant_user' ORDER BY id`},
		{Name: "authenticator_app", Query: `SELECT confirmed_at, locked_until AS locked_until_at, created_at FROM totp
			WHERE id = $1`},
		{Name: "blocks", Query: `SELECT id, rule, reason, since AS since_at, until AS until_at FROM edge_blocks
			WHERE subject = 'caller:' || $1 ORDER BY id`},
		{Name: "applications", Query: `SELECT id, company, email, created_at, private AS sealed
			FROM merchant_applications WHERE owner_id = $1 ORDER BY id`, open: openContact},
	}, aboutSections())
}

// applicationSections is the table of all that is held about an application and the people in it.
func applicationSections() []Section {
	return slices.Concat([]Section{
		{Name: "application", Query: `SELECT id, state, company, uscc, category, email, reason, merchant_id, owner_id,
			documents AS uploaded, created_at, updated_at, decided_at, private AS sealed
			FROM merchant_applications WHERE id = $1`, open: openApplication},
		{Name: "documents", Query: `SELECT id, application_id, created_at, sealed FROM merchant_documents
			WHERE application_id = $1 ORDER BY id`, open: openContent},
	}, aboutSections())
}

// personSections is what an application says of one person in it: nothing of the others.
func personSections() []Section {
	return []Section{
		{Name: "application", Query: `SELECT id, state, company, created_at, updated_at, private AS sealed
			FROM merchant_applications WHERE id = $1`, open: openPerson},
		{Name: "documents", Query: `SELECT id, application_id, created_at, sealed FROM merchant_documents
			WHERE application_id = $1 ORDER BY id`, open: openPersonsContent},
	}
}

// openContact shows what an application says of its contact, who became the user.
func openContact(_ context.Context, p *Privacy, _ Subject, row, shown map[string]any) (bool, error) {
	name, _ := shown["id"].(string)
	private, err := p.Onboarding.OpenPrivate(id.Application(name), sealedOf(row))
	shown["contact_name"], shown["contact_phone"] = private.ContactName, private.ContactPhone
	return true, err
}

func openApplication(_ context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	private, err := p.Onboarding.OpenPrivate(id.Application(s.ID), sealedOf(row))
	text, _ := shown["uploaded"].(string)
	shown["details"], shown["uploaded"] = private, jsontext.Value(text)
	return true, err
}

func openPerson(_ context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	private, err := p.Onboarding.OpenPrivate(id.Application(s.ID), sealedOf(row))
	shown["said"] = private.About(s.Person)
	return true, err
}

// openContent shows a document with its content, in base64; one of 4 MiB at most is in memory at a time. What was
// removed is not there.
func openContent(ctx context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	name, _ := shown["id"].(string)
	application, err := p.Onboarding.Application(ctx, id.Application(s.ID))
	if err != nil || len(sealedOf(row)) == 0 {
		return false, err
	}
	for _, document := range application.Documents {
		if string(document.ID) == name {
			shown["kind"], shown["media_type"] = document.Kind, document.MediaType
		}
	}
	content, err := p.Onboarding.OpenDocument(id.ApplicationDocument(name), sealedOf(row))
	shown["content"] = content
	return true, err
}

// openPersonsContent shows the identity document of the legal representative, to nobody else.
func openPersonsContent(ctx context.Context, p *Privacy, s Subject, row, shown map[string]any) (bool, error) {
	application, err := p.Onboarding.Application(ctx, id.Application(s.ID))
	if err != nil {
		return false, err
	}
	private, err := p.Onboarding.Private(application)
	if err != nil || private.LegalRepresentative.Name != s.Person {
		return false, err
	}
	there, err := openContent(ctx, p, s, row, shown)
	return there && shown["kind"] == onboarding.RepresentativeID, err
}

// isNamed refuses a person whom the application does not name.
func (p *Privacy) isNamed(ctx context.Context, s Subject) error {
	application, err := p.Onboarding.Application(ctx, id.Application(s.ID))
	if err != nil {
		return err
	}
	private, err := p.Onboarding.Private(application)
	if err != nil {
		return fmt.Errorf("look for a person in %s: %w", s.ID, err)
	}
	if len(private.About(s.Person)) == 0 {
		return fault.New(fault.NotFound, "privacy.person_not_found", "nobody of this name is in the application").
			WithParam("person").WithHint("write the name as the application has it")
	}
	return nil
}
