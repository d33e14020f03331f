//! The cases by topic, and the list of all of them.

#![allow(missing_docs, reason = "the name of each case is its documentation")]

use super::Case;

pub mod bulk;
pub mod cancel;
pub mod capability;
pub mod checksum;
pub mod condition;
pub mod copy;
pub mod create;
pub mod delete;
pub mod fair;
pub mod glob;
pub mod handles;
pub mod in_place;
pub mod info;
pub mod limits;
pub mod link;
pub mod list;
pub mod metadata;
pub mod names;
pub mod open;
pub mod page;
pub mod paths;
pub mod private_view;
pub mod read;
pub mod rename;
pub mod session;
pub mod set_info;
pub mod stream;
pub mod text;
pub mod update;
pub mod upload;
pub mod versions;
pub mod watch;

/// Calls the macro `$then` with its `$arguments` and the list of all cases. Each case has the methods of
/// [`Case`](crate::testing::Case) that limit it.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_all_cases {
    ([$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! {
            $($arguments)*
            names {
                every_valid_name_works_for_a_file;
                every_valid_name_works_for_a_directory;
                a_file_of_any_name_can_be_copied_renamed_and_deleted;
                a_directory_of_any_name_can_be_renamed_and_deleted;
                names_that_look_alike_are_different_files;
                all_spellings_of_a_path_name_the_same_file;
                a_trailing_slash_never_changes_the_meaning;
                a_name_may_have_up_to_255_bytes;
                a_path_may_have_up_to_1024_bytes;
                a_path_may_have_up_to_4096_bytes.needs(LongPaths);
            }
            paths {
                dot_dot_is_refused_by_every_verb;
                reserved_names_are_refused_by_every_verb;
                nul_and_over_long_names_are_refused_by_every_verb;
                the_root_is_accepted_only_by_info_exists_and_list;
            }
            create {
                create_creates_the_file_and_its_parents;
                content_of_every_size_reads_back_unchanged;
                create_refuses_to_replace_a_file;
                create_refuses_to_replace_a_directory_in_every_mode;
                an_etag_never_matches_a_directory.needs(ConditionalWrite);
                create_below_a_file_is_refused;
                overwriting_creates_a_file_or_replaces_its_whole_content;
                a_matching_etag_replaces_the_file.needs(ConditionalWrite);
                a_stale_etag_leaves_the_file_unchanged.needs(ConditionalWrite);
                an_etag_never_matches_a_missing_file.needs(ConditionalWrite);
                create_returns_the_info_of_the_new_file;
                every_overwrite_changes_the_etag.needs(ConditionalWrite);
                content_that_does_not_match_its_checksum_is_refused;
                exactly_one_of_racing_creates_wins.needs(ExclusiveCreate);
                racing_overwrites_never_tear_a_file;
                create_dir_creates_the_directory_and_its_parents.needs(EmptyDirectories);
                create_dir_refuses_an_existing_directory_unless_overwriting.needs(EmptyDirectories);
                create_dir_refuses_a_file_in_every_mode;
                exactly_one_of_racing_create_dirs_wins.needs(ExclusiveCreate, EmptyDirectories);
            }
            update {
                update_replaces_the_content;
                updating_a_missing_file_or_a_directory_fails;
                every_update_changes_the_etag.needs(ConditionalWrite);
                update_compares_the_etag.needs(ConditionalWrite);
                appends_are_added_to_the_end.needs(Append);
                a_large_append_is_complete.needs(Append);
                appending_to_a_missing_file_or_a_directory_fails.needs(Append);
                append_compares_the_etag.needs(ConditionalWrite, Append);
                concurrent_appends_are_complete_and_none_is_lost.needs(Append);
                a_counter_that_compares_etags_loses_no_increment.needs(ConditionalWrite);
            }
            read {
                every_chunk_but_the_last_is_full_and_none_is_empty;
                a_stream_accepts_any_chunk_size_from_one_byte;
                chunks_of_the_default_size_are_full;
                a_chunk_size_of_zero_is_refused;
                every_form_of_range_reads_exactly_its_bytes;
                a_range_across_chunk_boundaries_is_complete;
                a_range_that_starts_past_the_end_or_is_reversed_is_refused;
                ranges_of_an_empty_file_are_empty;
                reading_does_not_change_the_etag;
                read_compares_the_etag.needs(ConditionalWrite);
                reading_a_missing_file_or_a_directory_fails;
                a_stream_never_mixes_old_and_new_content;
                a_stream_can_be_dropped_before_its_end;
            }
            text {
                text_reads_back_unchanged;
                no_character_is_split_at_a_chunk_boundary;
                invalid_utf8_is_refused_with_its_byte_offset;
                a_range_of_text_is_streamed_in_small_chunks;
                a_stream_of_text_or_bytes_can_be_written;
            }
            open {
                an_opened_file_has_its_metadata_and_its_content;
                an_open_agrees_with_info;
                an_open_returns_the_range_that_it_reads;
                opening_a_missing_file_or_a_directory_fails;
                an_open_never_mixes_metadata_and_content_of_two_versions;
                an_open_stream_can_be_collected_in_chunks;
                several_ranges_are_read_in_the_given_order;
                a_wrong_range_among_several_is_refused;
                several_ranges_are_of_one_version.needs(ConditionalWrite);
                write_creates_a_file_or_replaces_it;
                a_write_that_replaces_needs_a_file;
                a_write_respects_its_size;
                a_stream_is_appended_to_a_file.needs(Append);
                appended_streams_are_complete_and_none_is_lost.needs(Append);
                a_failing_source_appends_nothing.needs(Append);
            }
            handles {
                a_committed_file_has_everything_that_was_written;
                nothing_is_visible_before_a_commit;
                a_writer_respects_its_options;
                a_reader_seeks_to_any_offset;
                a_reader_never_mixes_two_versions.needs(ConditionalWrite);
                a_reader_of_a_file_that_became_shorter_fails.needs(ConditionalWrite);
                a_reader_of_a_missing_file_or_a_part_is_refused;
            }
            condition {
                reads_and_look_ups_compare_etags.needs(ConditionalWrite);
                reads_and_look_ups_compare_times;
                the_condition_of_a_read_comes_before_its_range.needs(ConditionalWrite);
                a_time_of_the_file_itself_is_not_before_it;
                a_delete_compares_the_etag.needs(ConditionalWrite);
                a_delete_compares_the_time;
                a_delete_can_ignore_a_missing_file;
                a_delete_leaves_a_file_that_changes_meanwhile.needs(ConditionalWrite);
                a_copy_compares_the_etag_of_its_source.needs(ConditionalWrite);
                a_copy_compares_the_conditions_of_its_target.needs(ConditionalWrite);
                a_rename_compares_the_etag_of_its_source.needs(ConditionalWrite);
                a_rename_compares_the_conditions_of_its_target.needs(ConditionalWrite);
                a_copy_or_rename_cannot_append;
                a_copy_or_rename_that_replaces_needs_a_target;
                a_write_compares_the_etag_of_its_condition.needs(ConditionalWrite);
            }
            metadata {
                a_content_type_and_user_metadata_read_back.needs(ContentType, UserMetadata);
                new_content_replaces_the_metadata.needs(ContentType, UserMetadata);
                an_append_keeps_the_metadata.needs(ContentType, UserMetadata, Append);
                a_copy_and_a_rename_keep_the_metadata.needs(ContentType, UserMetadata);
                metadata_of_the_largest_size_are_kept.needs(ContentType, UserMetadata);
                a_modification_time_is_kept.needs(ModificationTime);
                an_etag_changes_although_the_modification_time_does_not.needs(ModificationTime, ConditionalWrite);
                permissions_are_kept.needs(Permissions);
                metadata_that_the_store_cannot_keep_are_refused;
                malformed_metadata_are_refused;
            }
            in_place {
                a_store_that_writes_nothing_in_place_refuses_it;
                a_file_is_written_in_place.needs(InPlace);
                a_write_in_place_has_the_same_conditions.needs(InPlace, ConditionalWrite);
            }
            set_info {
                set_info_changes_the_times_and_nothing_else.needs(SetInfo, ModificationTime);
                set_info_changes_the_time_of_a_directory.needs(SetInfo, ModificationTime, PersistentDirectories);
                set_info_changes_permissions.needs(SetInfo, Permissions);
                set_info_replaces_user_metadata_and_the_content_type.needs(SetInfo, ContentType, UserMetadata);
                set_info_compares_the_etag.needs(SetInfo, ConditionalWrite);
                set_info_of_a_missing_entry_or_with_malformed_values_fails.needs(SetInfo);
            }
            link {
                a_link_holds_its_target.needs(Links);
                a_link_may_dangle_but_not_lead_out.needs(Links);
                a_glob_follows_links_in_its_literal_prefix.needs(Links);
                only_a_link_has_a_target.needs(Links);
            }
            upload {
                an_upload_is_published_when_it_is_finished.needs(Resumable);
                an_upload_continues_after_a_failing_source.needs(Resumable);
                an_upload_repeats_what_came_after_its_offset.needs(Resumable);
                a_finished_upload_respects_its_options.needs(Resumable);
                a_finished_upload_ends_at_its_offset.needs(Resumable);
                an_upload_has_one_caller_at_a_time.needs(Resumable);
                one_of_concurrent_finishes_publishes_an_upload.needs(Resumable, Append);
                an_abandoned_upload_leaves_nothing.needs(Resumable);
            }
            private_view {
                a_private_view_has_files_that_users_cannot_reach.needs(PrivateViews);
                reads_and_writes_reach_the_files_of_a_private_view.needs(PrivateViews);
                copies_and_uploads_reach_the_files_of_a_private_view.needs(PrivateViews);
            }
            delete {
                a_deleted_file_is_gone;
                deleting_a_missing_path_fails;
                delete_refuses_a_directory_with_entries;
                an_empty_directory_is_deleted.needs(EmptyDirectories);
                a_directory_stays_when_its_last_entry_is_deleted.needs(PersistentDirectories);
                recursive_deletion_removes_everything_below;
                recursive_deletion_removes_large_directories;
                deletion_keeps_names_with_the_same_prefix;
            }
            info {
                info_distinguishes_files_from_directories;
                info_of_a_missing_path_fails;
                exists_is_false_only_for_a_missing_path;
                the_modification_time_is_the_time_of_the_write;
                info_has_the_encoding_only_on_request;
                info_has_the_checksum_only_on_request;
                a_directory_has_neither_encoding_nor_checksum;
            }
            list {
                a_listing_is_in_byte_order_of_the_paths;
                a_recursive_listing_is_in_byte_order_of_the_paths;
                a_listing_agrees_with_info;
                listing_a_missing_path_or_a_file_fails;
                an_empty_store_lists_nothing;
                an_empty_directory_lists_nothing.needs(EmptyDirectories);
                a_large_directory_is_listed_in_full_and_in_order;
                many_directories_are_listed_in_full_and_in_order;
                deleting_entries_does_not_break_a_running_listing;
                a_running_listing_ends_when_its_directory_is_deleted;
                a_listing_can_be_dropped_before_its_end;
                a_listing_hides_the_internal_files_of_f9.needs(Sessions);
            }
            page {
                a_listing_starts_after_any_key;
                a_listing_of_a_directory_starts_after_any_key;
                a_listing_returns_no_more_than_its_limit;
                a_listing_returns_only_what_matches_its_pattern;
                an_invalid_pattern_of_a_listing_is_refused;
                pages_have_every_entry_once;
                pages_of_a_large_directory_have_every_entry_once;
            }
            glob {
                a_glob_finds_every_match_in_order;
                a_glob_without_a_match_finds_nothing;
                a_pattern_that_ends_with_a_slash_finds_only_directories;
                a_glob_can_be_limited_to_files_or_directories;
                a_glob_agrees_with_its_pattern_on_every_path;
                an_invalid_pattern_is_refused;
                an_escaped_name_matches_only_itself;
                a_glob_stream_agrees_with_a_glob;
                a_glob_stream_is_in_the_order_of_a_listing;
                a_glob_stream_refuses_an_invalid_pattern;
            }
            stream {
                streamed_content_of_every_size_reads_back_unchanged;
                tiny_and_empty_chunks_make_one_file;
                a_streamed_write_respects_its_mode;
                a_streamed_write_compares_the_etag.needs(ConditionalWrite);
                a_streamed_write_compares_the_etag_when_it_publishes.needs(ConditionalWrite);
                a_streamed_write_keeps_a_file_created_in_the_meantime.needs(ExclusiveCreate);
                a_streamed_write_returns_the_info_of_the_file;
                a_streamed_write_creates_a_deleted_directory_again;
                a_new_file_is_invisible_until_its_last_byte;
                the_old_content_is_visible_until_the_last_byte;
                a_failing_source_leaves_the_old_content;
                a_failing_source_leaves_no_file_and_no_parents;
                a_source_that_differs_from_its_declared_size_is_refused;
                an_endless_source_is_stopped_at_the_declared_size;
                streamed_content_that_does_not_match_its_checksum_is_refused;
                a_file_can_be_written_from_a_reader_and_read_as_one;
                a_file_can_be_streamed_into_another;
                the_error_of_a_reader_is_told_and_kept;
                racing_streams_never_tear_a_file;
                exactly_one_of_racing_streams_to_a_new_file_wins.needs(ExclusiveCreate);
            }
            fair {
                no_verb_keeps_other_tasks_from_running.needs_cancellation();
                a_write_of_an_endless_source_can_be_cancelled.needs_cancellation();
            }
            checksum {
                a_checksum_matches_the_content;
                the_checksum_of_a_missing_file_or_a_directory_fails;
                a_checksum_follows_the_current_content;
                checksum_many_skips_only_missing_files_and_directories;
                checksum_many_fails_on_every_other_error;
                hundreds_of_checksums_run_concurrently;
                verify_compares_the_content_with_a_checksum;
            }
            copy {
                a_copy_has_the_content_of_its_source;
                a_copy_and_its_source_change_independently;
                appending_to_a_copy_leaves_its_source_unchanged.needs(Append);
                copying_a_missing_file_or_a_directory_fails;
                a_copy_replaces_a_file_only_when_overwriting;
                a_copy_compares_the_etag_of_its_target.needs(ConditionalWrite);
                a_copy_onto_itself_changes_nothing;
                exactly_one_of_racing_copies_to_one_target_wins.needs(ExclusiveCreate);
                a_file_of_another_store_is_copied;
                a_copy_from_another_store_compares_both_sides.needs(ConditionalWrite);
                a_copy_from_another_handle_of_the_store_is_a_copy;
            }
            rename {
                a_renamed_file_is_only_at_its_new_path;
                a_renamed_directory_keeps_everything_in_it;
                renaming_a_missing_path_fails;
                a_rename_without_overwriting_replaces_nothing;
                an_overwriting_rename_replaces_a_file;
                an_overwriting_rename_never_changes_the_kind_of_its_target;
                an_overwriting_rename_replaces_an_empty_directory_by_a_directory.needs(EmptyDirectories);
                an_empty_directory_is_renamed.needs(EmptyDirectories);
                a_directory_is_not_renamed_into_itself;
                a_rename_onto_itself_changes_nothing;
                a_rename_compares_the_etag_of_its_target.needs(ConditionalWrite);
                a_rename_changes_the_etag_at_its_target.needs(ConditionalWrite);
                exactly_one_of_racing_renames_to_one_target_wins.needs(ExclusiveCreate, AtomicRename);
                exactly_one_of_racing_renames_of_one_file_wins.needs(ExclusiveCreate, AtomicRename);
            }
            session {
                a_session_excludes_sessions_of_other_tasks.needs(Sessions);
                dropping_a_session_ends_it.needs(Sessions);
                opening_a_session_waits_no_longer_than_its_timeout.needs(Sessions);
                a_timeout_of_zero_tries_once.needs(Sessions);
                a_task_may_nest_its_sessions.needs(Sessions);
                a_waiting_task_gets_its_session_when_the_current_one_ends.needs(Sessions);
                sessions_never_overlap.needs(Sessions);
                a_cancelled_waiter_leaves_the_queue.needs(Sessions).needs_cancellation();
                a_session_can_end_on_another_task.needs(Sessions);
                a_session_ends_with_a_task_that_panics.needs(Sessions);
                a_session_excludes_other_handles_of_the_store.needs(Sessions);
                other_operations_work_during_a_session.needs(Sessions);
            }
            versions {
                every_change_is_a_version_and_the_newest_comes_first.needs(Versions);
                a_version_has_the_content_and_the_metadata_of_its_time.needs(Versions);
                a_version_is_read_in_ranges_and_chunks.needs(Versions);
                the_conditions_of_a_read_are_those_of_its_version.needs(Versions);
                a_deletion_is_a_version_without_content.needs(Versions);
                a_copy_of_a_version_restores_its_content.needs(Versions);
                replaced_content_stays_a_version.needs(Versions);
                a_version_that_the_file_does_not_have_is_not_found.needs(Versions);
                the_number_of_versions_can_be_limited.needs(Versions);
                a_path_that_never_was_a_file_has_no_versions.needs(Versions);
                versions_are_refused_without_their_capability.lacks(Versions);
            }
            watch {
                a_created_file_is_reported.needs(Watch);
                a_modified_file_is_reported_as_one_change.needs(Watch);
                a_removed_file_is_reported.needs(Watch);
                a_renamed_file_is_reported_with_both_paths.needs(Watch);
                a_directory_that_is_renamed_at_once_is_not_reported_twice.needs(Watch, EmptyDirectories, AtomicRename);
                a_renamed_directory_is_reported_and_still_watched.needs(Watch);
                files_in_new_directories_are_not_missed.needs(Watch);
                a_deep_tree_that_is_made_at_once_is_reported_in_full.needs(Watch);
                a_removed_directory_takes_everything_below_it_along.needs(Watch);
                only_changes_below_the_prefix_are_reported.needs(Watch);
                a_watch_of_depth_one_reports_only_direct_entries.needs(Watch);
                a_burst_of_writes_is_a_few_changes_and_the_last_follows_the_last_write.needs(Watch);
                a_watch_reports_a_new_directory.needs(Watch, EmptyDirectories);
                a_watch_hides_the_internal_files_of_f9.needs(Watch, Sessions);
                several_watches_report_the_same_changes_and_can_be_dropped.needs(Watch);
                a_watch_ends_when_its_directory_is_removed_or_renamed.needs(Watch);
                a_watch_ends_when_its_directory_is_replaced.needs(Watch, EmptyDirectories);
                watching_a_missing_path_or_a_file_fails.needs(Watch);
            }
            capability {
                append_is_refused_without_its_capability.lacks(Append);
                create_dir_is_refused_without_its_capability.lacks(EmptyDirectories);
                a_session_is_refused_without_its_capability.lacks(Sessions);
                an_etag_is_refused_without_its_capability.lacks(ConditionalWrite);
                cross_process_sessions_imply_sessions.needs(CrossProcessSessions);
                capabilities_never_change;
                references_and_boxes_of_a_backend_are_backends;
                what_the_store_cannot_do_is_unsupported;
            }
            bulk {
                many_files_are_written_with_results_in_the_given_order;
                thousands_of_files_are_written_and_deleted;
                writing_or_deleting_no_files_changes_nothing;
                a_file_of_many_that_fails_does_not_affect_the_others;
                a_path_that_is_given_twice_is_written_once;
                many_writes_respect_their_mode;
                many_appends_are_added_to_their_files.needs(Append);
                options_of_a_single_file_are_refused_for_many;
                a_condition_applies_to_each_of_many_files;
                many_files_have_the_metadata_of_the_options;
                many_deletions_have_results_in_the_given_order;
                many_deletions_can_ignore_missing_files;
                many_directories_are_deleted_with_their_entries;
                a_dropped_write_of_many_leaves_whole_files.needs_cancellation();
            }
            limits {
                a_path_of_the_stated_length_works_and_a_longer_one_is_refused;
                a_name_of_the_stated_length_works_and_a_longer_one_is_refused;
                user_metadata_of_the_stated_size_are_kept_and_larger_ones_refused;
                the_identity_is_that_of_the_store;
            }
            cancel {
                a_dropped_create_leaves_all_or_nothing.needs_cancellation();
                a_dropped_overwrite_leaves_the_old_or_the_new.needs_cancellation();
                a_streamed_write_dropped_before_its_end_leaves_nothing.needs_cancellation();
                a_streamed_overwrite_dropped_before_its_end_leaves_the_old.needs_cancellation();
                a_dropped_update_leaves_the_old_or_the_new.needs_cancellation();
                a_dropped_append_is_added_whole_or_not_at_all.needs(Append).needs_cancellation();
                a_dropped_finish_publishes_an_upload_once.needs(Resumable, Append).needs_cancellation();
                a_dropped_recursive_deletion_removes_all_or_nothing.needs_cancellation();
                a_dropped_copy_leaves_all_or_nothing.needs_cancellation();
                a_dropped_rename_moves_the_file_or_does_nothing.needs(AtomicRename).needs_cancellation();
                a_dropped_rename_moves_the_directory_or_does_nothing.needs(AtomicRename).needs_cancellation();
                a_dropped_create_dir_creates_the_directory_or_nothing.needs(EmptyDirectories).needs_cancellation();
                dropped_reads_leave_nothing_behind.needs_cancellation();
            }
        }
    };
}

/// Expands to one case as a value.
#[doc(hidden)]
#[macro_export]
macro_rules! __case {
    ($topic:ident $case:ident $(. $method:ident ( $($first:ident $(, $other:ident)*)? ))*) => {
        $crate::testing::Case::new(stringify!($case), |store| {
            ::std::boxed::Box::pin($crate::testing::cases::$topic::$case(store))
        })
        $(.$method($(&[$crate::Capability::$first $(, $crate::Capability::$other)*])?))*
    };
}

macro_rules! values {
    ($($topic:ident { $($case:ident $(. $method:ident $capabilities:tt)*;)* })*) => {
        vec![$($($crate::__case!($topic $case $(. $method $capabilities)*)),*),*]
    };
}

/// Returns all cases, for a test harness other than `#[test]`.
#[must_use]
pub fn all_cases() -> Vec<Case> {
    __with_all_cases!([values])
}

#[cfg(test)]
mod tests;
