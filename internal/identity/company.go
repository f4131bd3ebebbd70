package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// ownerBpsMin is the share from which somebody is a beneficial owner: 25 % (FATF, PBOC 2024 No. 3 art. 6); shareBpsMax
// is the whole.
const (
	ownerBpsMin = 2_500
	shareBpsMax = 10_000
	ownersMax   = 20
)

// BeneficialOwner is a person who owns or controls a company. ShareBps is the share of capital, votes or profit in
// basis points; 0 for who controls the company otherwise, or leads it where nobody owns a quarter.
type BeneficialOwner struct {
	Person   Document `json:"person"`
	ShareBps int64    `json:"share_bps"`
}

// Company is who stands behind a business, as it says itself.
type Company struct {
	Name                string            `json:"name"`
	CreditCode          party.USCC        `json:"credit_code"`
	LegalRepresentative Document          `json:"legal_representative"`
	BeneficialOwners    []BeneficialOwner `json:"beneficial_owners"`
}

// ParseCompany reads a company as of now in zone: every person has a valid document, there are 1 to 20 beneficial
// owners, nobody twice, and the shares are no more than the whole. Errors: identity.bad_company_name,
// party.bad_uscc, identity.bad_owners, identity.bad_share, and those of ParseDocument with the
// person's place in Param.
func ParseCompany(said Company, now time.Time, zone *time.Location) (Company, error) {
	name := strings.Join(strings.Fields(said.Name), " ")
	if n := len([]rune(name)); n < 2 || n > 120 {
		return Company{}, invalid("identity.bad_company_name", "a company's name has 2 to 120 characters", "name")
	}
	code, err := party.ParseUSCC(string(said.CreditCode))
	if err != nil {
		return Company{}, fault.From(err).WithParam("credit_code")
	}
	if said.LegalRepresentative, err = ParseDocument(said.LegalRepresentative, now, zone); err != nil {
		return Company{}, inside("legal_representative", err)
	}
	said.Name, said.CreditCode = name, code
	said.BeneficialOwners = slices.Clone(said.BeneficialOwners)
	return said, parseOwners(said.BeneficialOwners, now, zone)
}

// parseOwners brings the owners into normal form, in place.
func parseOwners(owners []BeneficialOwner, now time.Time, zone *time.Location) error {
	if len(owners) == 0 || len(owners) > ownersMax {
		return invalid("identity.bad_owners", "a company has 1 to 20 beneficial owners", "beneficial_owners").
			WithHint("where nobody owns a quarter, name who controls or leads the company with a share of 0")
	}
	var whole int64
	seen := map[string]bool{}
	for i := range owners {
		owner := &owners[i]
		if owner.ShareBps != 0 && (owner.ShareBps < ownerBpsMin || owner.ShareBps > shareBpsMax) {
			return invalid("identity.bad_share", "a beneficial owner has 2500 to 10000 basis points, or 0", "beneficial_owners")
		}
		var err error
		if owner.Person, err = ParseDocument(owner.Person, now, zone); err != nil {
			return inside("beneficial_owners", err)
		}
		name := documentText(owner.Person)
		if seen[name] {
			return invalid("identity.bad_owners", "a beneficial owner is there twice", "beneficial_owners")
		}
		seen[name] = true
		whole += owner.ShareBps
	}
	if whole > shareBpsMax {
		return invalid("identity.bad_share", "the shares are more than the whole", "beneficial_owners")
	}
	return nil
}

// inside puts the name of the member around it in front of a fault's parameter.
func inside(member string, err error) error {
	f := fault.From(err)
	if f.Param != "" {
		member += "." + f.Param
	}
	return f.WithParam(member)
}
