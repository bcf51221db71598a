package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newQuery(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "query", Short: "Ask about all images and about the vulnerability data"}
	cmd.AddCommand(newImagesByVulnerability(c), newImagesByPackage(c), newVulnerabilityRecords(c), newRecordHistory(c))
	return cmd
}

// optional is a parameter that was given.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func newImagesByVulnerability(c *connection) *cobra.Command {
	var id, namespace, name, severity string
	var vendorOnly bool
	cmd := &cobra.Command{
		Use: "images-by-vulnerability", Short: "List the images that have a vulnerability", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := client.QueryImagesByVulnerabilityParams{
				VulnerabilityId: id, Namespace: optional(namespace), AffectedPackage: optional(name), VendorOnly: &vendorOnly,
			}
			if severity != "" {
				word := client.QueryImagesByVulnerabilityParamsSeverity(strings.ToUpper(severity[:1]) + strings.ToLower(severity[1:]))
				params.Severity = &word
			}
			r, err := ask(c.api.QueryImagesByVulnerabilityWithResponse(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeHolders(w, r.JSON200) })
		},
	}
	cmd.Flags().StringVar(&id, "vulnerability-id", "", "the vulnerability, by any of its names")
	cmd.Flags().StringVar(&namespace, "namespace", "", "only data of this feed group, such as debian:12")
	cmd.Flags().StringVar(&name, "package", "", "only packages of this name")
	cmd.Flags().StringVar(&severity, "severity", "", "only findings of this severity")
	cmd.Flags().BoolVar(&vendorOnly, "vendor-only", true, "leave out what its publisher will not fix")
	_ = cmd.MarkFlagRequired("vulnerability-id")
	return cmd
}

func newImagesByPackage(c *connection) *cobra.Command {
	var name, version, kind string
	cmd := &cobra.Command{
		Use: "images-by-package", Short: "List the images that hold a package", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.QueryImagesByPackageWithResponse(cmd.Context(), &client.QueryImagesByPackageParams{
				Name: name, Version: optional(version), PackageType: optional(kind),
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeHolders(w, r.JSON200) })
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the package")
	cmd.Flags().StringVar(&version, "version", "", "only this version")
	cmd.Flags().StringVar(&kind, "package-type", "", "only packages of this type, such as npm")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

// writeHolders prints a line for each package of each image.
func writeHolders(w io.Writer, list *client.PaginatedImageList) error {
	var rows [][]string
	for _, i := range list.Images {
		var tags []string
		for _, t := range i.Image.TagHistory {
			tags = append(tags, t.FullTag)
		}
		for _, p := range i.Packages {
			version := ""
			if p.Version != nil {
				version = *p.Version
			}
			rows = append(rows, []string{strings.Join(tags, ","), p.Name, version, p.Type, i.Image.ImageDigest})
		}
	}
	return table(w, []string{"TAG", "PACKAGE", "VERSION", "TYPE", "DIGEST"}, rows)
}

func newVulnerabilityRecords(c *connection) *cobra.Command {
	var namespaces []string
	var name string
	cmd := &cobra.Command{
		Use: "vulnerabilities ID...", Short: "Show what the data says about vulnerabilities", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			params := client.QueryVulnerabilitiesParams{Id: args, AffectedPackage: optional(name)}
			if len(namespaces) > 0 {
				params.Namespace = &namespaces
			}
			r, err := ask(c.api.QueryVulnerabilitiesWithResponse(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeRecords(w, r.JSON200) })
		},
	}
	cmd.Flags().StringSliceVar(&namespaces, "namespace", nil, "only these feed groups")
	cmd.Flags().StringVar(&name, "package", "", "only packages of this name")
	return cmd
}

func writeRecords(w io.Writer, list *client.PaginatedVulnerabilityList) error {
	var rows [][]string
	for _, v := range list.Vulnerabilities {
		if len(v.AffectedPackages) == 0 {
			rows = append(rows, []string{v.Id, v.Namespace, string(v.Severity), "", "", v.Link})
		}
		for _, p := range v.AffectedPackages {
			fix := "None"
			if p.Version != nil {
				fix = *p.Version
			}
			rows = append(rows, []string{v.Id, v.Namespace, string(v.Severity), p.Name, fix, v.Link})
		}
	}
	return table(w, []string{"ID", "FEED GROUP", "SEVERITY", "PACKAGE", "FIX", "URL"}, rows)
}
