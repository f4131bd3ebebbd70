package identity

import (
	"bytes"
	"context"
	stdimage "image"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

// Side says what an image shows.
type Side string

// The sides: the page with portrait and number, and the other side of a card.
const (
	SideFront Side = "front"
	SideBack  Side = "back"
)

// ImageMax is the largest image in bytes, 5 MiB.
const ImageMax = 5 << 20

const (
	imagesMax    = 24 // of one customer until staff decide
	pixelsMin    = 64 // width and height
	pixelsMax    = 12_000
	mediaJPEG    = "image/jpeg"
	mediaPNG     = "image/png"
	magicJPEG    = "\xff\xd8\xff"
	magicPNG     = "\x89PNG\r\n\x1a\n"
	endOfJPEG    = "\xff\xd9"
	endOfPNG     = "IEND"
	trailerBytes = 64 // cameras add a few bytes behind the end
)

// parseImage returns the media type of an image that is what it says. Errors: identity.image_too_large,
// identity.bad_image.
func parseImage(content []byte) (string, error) {
	if len(content) > ImageMax {
		return "", fault.New(fault.TooLarge, "identity.image_too_large", "an image has at most 5 MiB").WithParam("image")
	}
	bad := invalid("identity.bad_image", "this is not a JPEG or PNG image", "image")
	var (
		config     stdimage.Config
		err        error
		media, end string
	)
	switch text := string(content[:min(len(content), len(magicPNG))]); {
	case strings.HasPrefix(text, magicJPEG):
		media, end = mediaJPEG, endOfJPEG
		config, err = jpeg.DecodeConfig(bytes.NewReader(content))
	case strings.HasPrefix(text, magicPNG):
		media, end = mediaPNG, endOfPNG
		config, err = png.DecodeConfig(bytes.NewReader(content))
	default:
		return "", bad
	}
	if err != nil {
		return "", bad
	}
	if !bytes.Contains(content[len(content)-min(len(content), trailerBytes):], []byte(end)) || config.Width < pixelsMin ||
		config.Height < pixelsMin ||
		config.Width > pixelsMax ||
		config.Height > pixelsMax {
		return "", bad.WithHint("send the whole image, 64 to 12000 pixels wide and high")
	}
	return media, nil
}

// AddImage stores an image of the customer's document; the newest one of a side counts. Errors: identity.bad_image,
// identity.image_too_large, identity.bad_side, identity.not_started, identity.too_many_images,
// party.customer_not_active.
func (s *Identities) AddImage(ctx context.Context, customer id.Customer, side Side, content []byte) (View, error) {
	media, err := parseImage(content)
	if err != nil {
		return View{}, err
	}
	name := id.New[id.IdentityImage](s.clock.Now())
	sealed, err := s.vault.Seal(purposeImage, imagePlace(name), content)
	if err != nil {
		return View{}, err
	}
	row := image{ID: name, Customer: customer, Side: side, Media: media, Size: int64(len(content)), Sealed: sealed}
	err = s.decide(ctx, customer, func(tx *commit.Tx, d *dossier) error {
		if err := s.parties.RequireActive(tx, customer); err != nil {
			return err
		}
		r := &d.record
		switch {
		case r.State == StateNone, r.State == StateRefused, r.State == StateExpired:
			return notStarted()
		case !slices.Contains(kinds()[r.Kind].sides, side):
			return invalid("identity.bad_side", "this kind of document has no such side", "side")
		case r.Images >= imagesMax:
			return fault.New(fault.Conflict, "identity.too_many_images", "there are enough images of this document").
				WithHint("ask the operator's support")
		}
		r.Images++
		if sides := r.sides(); !slices.Contains(sides, side) {
			r.Sides = strings.TrimPrefix(r.Sides+","+string(side), ",")
		}
		stored := row
		stored.CreatedAt = tx.Now()
		s.images.Append(tx, stored)
		return s.settle(tx, d)
	})
	if err != nil {
		return View{}, err
	}
	return s.View(ctx, customer)
}

func notStarted() error {
	return fault.New(fault.Conflict, "identity.not_started", "there is no valid document yet").
		WithHint("send the document first")
}

// imagePlace is where an image opens.
func imagePlace(name id.IdentityImage) []byte {
	return vault.RowAAD("identity_images", "sealed", string(name))
}

// OpenImage decrypts what identity_images.sealed holds of an image. Errors: those of vault.Open.
func (s *Identities) OpenImage(name id.IdentityImage, sealed []byte) ([]byte, error) {
	content, err := s.vault.Open(purposeImage, imagePlace(name), sealed)
	return content, fault.Wrap(err, "open "+string(name))
}

// Picture is an image as staff see it.
type Picture struct {
	Media   string
	Content []byte
}

// SeeImage decrypts an image for a person of the staff, and writes down who saw it. Errors: identity.image_not_found.
func (s *Identities) SeeImage(ctx context.Context, name id.IdentityImage, staff id.Staff) (Picture, error) {
	row, err := s.readImage(ctx, name)
	if err != nil {
		return Picture{}, err
	}
	content, err := s.OpenImage(name, row.Sealed)
	if err != nil {
		return Picture{}, err
	}
	err = s.decide(ctx, row.Customer, func(tx *commit.Tx, d *dossier) error {
		err := s.announce(tx, eventSeen, d.record, Event{
			Staff: staff, Image: name, Class: d.customer.Class, ClassBefore: d.customer.Class,
		})
		if err != nil {
			return err
		}
		return s.Trail.Add(ctx, tx, audit.Act{
			Kind: eventSeen, Subject: string(row.Customer), After: map[string]any{"image_id": name, "side": row.Side},
		})
	})
	if err != nil {
		return Picture{}, err
	}
	return Picture{Media: row.Media, Content: content}, nil
}
