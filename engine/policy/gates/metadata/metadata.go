// Package metadata is the gate about the image as a whole: size, platform, distribution and number of layers.
package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/comparison"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "metadata",
	Doc:      "Looks at what describes the image as a whole.",
	Triggers: []policy.Trigger{attributeTrigger},
}

// Operators without a value, beside those of package comparison.
const (
	exists    = "exists"
	notExists = "not_exists"
)

var attributeTrigger = policy.Trigger{
	Name: "attribute",
	Doc: "Fires when the check holds for the attribute. An attribute that the image does not have is none of the values: only " +
		"!=, not_like, not_in and not_exists hold for it. size and layer_count are numbers and do not exist when they are " +
		"0. Releases in distro_version are ordered number by number, everything else as text.",
	ID: "Hash of attribute, check and value.",
	Params: []policy.Param{
		{Name: "attribute", Type: policy.Enum(attributeNames()...), Required: true, Example: "size",
			Doc: "size of all layers, unpacked; architecture and os_type of the image config (amd64, linux); distro and " +
				"distro_version from os-release; like_distro, each distribution it derives from; layer_count."},
		{Name: "check", Required: true, Example: ">",
			Type: policy.Enum(comparison.Equal, comparison.NotEqual, comparison.Greater, comparison.Less, comparison.GreaterOrEqual,
				comparison.LessOrEqual, exists, notExists, comparison.Like, comparison.NotLike, comparison.In, comparison.NotIn),
			Doc: "How the attribute is compared. like and not_like match a regular expression from the start and are for texts only."},
		{Name: "value", Type: policy.String, Example: "1073741824",
			Doc: "What the attribute is compared with: bytes, or a number with kb, mb, gb or tb of 1024, for size; a whole number for " +
				"layer_count; text for the others; several with commas between for in and not_in. exists and not_exists have no use for it."},
	},
	Prepare: prepare,
}

// attribute is one property of an image: a number, or texts, none of which means that the image lacks it.
type attribute struct {
	name   string
	number func(*policy.Image) int64
	read   func(value string) (int64, error) // of numbers: a rule's value
	texts  func(*policy.Image) []string
	order  func(a, b string) int // of texts; nil: as texts
}

var attributes = []attribute{
	{name: "size", number: func(i *policy.Image) int64 { return i.Size }, read: bytes},
	{name: "architecture", texts: func(i *policy.Image) []string { return known(i.Arch) }},
	{name: "os_type", texts: func(i *policy.Image) []string { return known(i.OS) }},
	{name: "distro", texts: func(i *policy.Image) []string { return known(distro(i).ID) }},
	{name: "distro_version", texts: func(i *policy.Image) []string { return known(distro(i).VersionID) }, order: releases},
	{name: "like_distro", texts: func(i *policy.Image) []string { return known(distro(i).Like...) }},
	{name: "layer_count", number: func(i *policy.Image) int64 { return int64(len(i.Layers)) }, read: count},
}

func attributeNames() []string {
	names := make([]string, len(attributes))
	for i := range attributes {
		names[i] = attributes[i].name
	}
	return names
}

func known(texts ...string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "" })
}

func distro(i *policy.Image) catalog.Distro {
	if i.Distro == nil {
		return catalog.Distro{}
	}
	return *i.Distro
}

func releases(a, b string) int {
	if order, ok := comparison.Releases(a, b); ok {
		return order
	}
	return strings.Compare(a, b)
}

// sized is a size with an optional unit.
var sized = regexp.MustCompile(`^([0-9]+)\s*([kmgt]b)?$`)

// bytes reads a size; units are powers of 1024.
func bytes(value string) (int64, error) {
	m := sized.FindStringSubmatch(strings.ToLower(strings.TrimSpace(value)))
	if m == nil {
		return 0, fmt.Errorf("%q is not a size: digits and kb, mb, gb, tb or nothing", value)
	}
	shift := map[string]uint{"": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40}[m[2]]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is more bytes than can be counted", value)
	}
	return n << shift, nil
}

// count reads a whole number.
func count(value string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", value)
	}
	return int64(n), nil
}

// rule is a prepared attribute rule.
type rule struct {
	*attribute
	check, value string
	holds        func(*policy.Image) bool
}

func prepare(args policy.Args) (policy.Check, error) {
	r := &rule{check: args.String("check"), value: args.String("value")}
	i := slices.Index(attributeNames(), args.String("attribute"))
	r.attribute = &attributes[max(i, 0)] // the type of the parameter knows no others
	switch {
	case r.check == exists || r.check == notExists:
		r.value = ""
		r.holds = func(i *policy.Image) bool { return r.present(i) == (r.check == exists) }
		return r.run, nil
	case r.value == "":
		return nil, fmt.Errorf("check %s needs a value", r.check)
	case r.number != nil:
		return r.run, r.prepareNumber()
	}
	text, err := comparison.New(r.check, r.value, r.order)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	r.holds = func(i *policy.Image) bool { return text.Holds(r.texts(i)...) }
	return r.run, nil
}

func (r *rule) prepareNumber() error {
	values := []string{r.value}
	switch r.check {
	case comparison.Like, comparison.NotLike:
		return fmt.Errorf("check %s is for texts, %s is a number", r.check, r.name)
	case comparison.In, comparison.NotIn:
		values = comparison.List(r.value)
	}
	var faults []error
	numbers := make([]int64, len(values))
	for i, value := range values {
		var err error
		numbers[i], err = r.read(value)
		faults = append(faults, err)
	}
	r.holds = func(i *policy.Image) bool {
		n := r.number(i)
		switch r.check {
		case comparison.In, comparison.NotIn:
			return slices.Contains(numbers, n) == (r.check == comparison.In)
		}
		return comparison.Holds(r.check, cmp.Compare(n, numbers[0]))
	}
	return errors.Join(faults...)
}

func (r *rule) present(i *policy.Image) bool {
	if r.number != nil {
		return r.number(i) != 0
	}
	return len(r.texts(i)) > 0
}

func (r *rule) actual(i *policy.Image) string {
	switch {
	case r.number != nil:
		return strconv.FormatInt(r.number(i), 10)
	case !r.present(i):
		return "not known"
	}
	return strings.Join(r.texts(i), ", ")
}

func (r *rule) run(ctx context.Context, pass *policy.Pass) error {
	image, err := pass.Image(ctx)
	if err != nil || !r.holds(&image) {
		return err
	}
	asked := strings.TrimSpace(r.check + " " + r.value)
	return pass.Report(fmt.Sprintf("%s is %s, and the rule asks for %s", r.name, r.actual(&image), asked), r.name, r.check, r.value)
}
