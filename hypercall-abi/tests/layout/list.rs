//! The list: every public item of the crate, once. See [`abi_list`](crate::rows) for its form.

use std::collections::BTreeSet;

use crate::probe::Row;

abi_list! {
    mod xen {
        consts {
            __HYPERVISOR_set_trap_table __HYPERVISOR_mmu_update __HYPERVISOR_set_gdt
            __HYPERVISOR_stack_switch __HYPERVISOR_set_callbacks __HYPERVISOR_fpu_taskswitch
            __HYPERVISOR_sched_op_compat __HYPERVISOR_platform_op __HYPERVISOR_set_debugreg
            __HYPERVISOR_get_debugreg __HYPERVISOR_update_descriptor __HYPERVISOR_memory_op
            __HYPERVISOR_multicall __HYPERVISOR_update_va_mapping __HYPERVISOR_set_timer_op
            __HYPERVISOR_event_channel_op_compat __HYPERVISOR_xen_version __HYPERVISOR_console_io
            __HYPERVISOR_physdev_op_compat __HYPERVISOR_grant_table_op __HYPERVISOR_vm_assist
            __HYPERVISOR_update_va_mapping_otherdomain __HYPERVISOR_iret __HYPERVISOR_vcpu_op
            __HYPERVISOR_set_segment_base __HYPERVISOR_mmuext_op __HYPERVISOR_xsm_op
            __HYPERVISOR_nmi_op __HYPERVISOR_sched_op __HYPERVISOR_callback_op
            __HYPERVISOR_xenoprof_op __HYPERVISOR_event_channel_op __HYPERVISOR_physdev_op
            __HYPERVISOR_hvm_op __HYPERVISOR_sysctl __HYPERVISOR_domctl __HYPERVISOR_kexec_op
            __HYPERVISOR_tmem_op __HYPERVISOR_argo_op __HYPERVISOR_xenpmu_op __HYPERVISOR_dm_op
            __HYPERVISOR_hypfs_op __HYPERVISOR_arch_0 __HYPERVISOR_arch_1 __HYPERVISOR_arch_2
            __HYPERVISOR_arch_3 __HYPERVISOR_arch_4 __HYPERVISOR_arch_5 __HYPERVISOR_arch_6
            __HYPERVISOR_arch_7 VIRQ_TIMER VIRQ_DEBUG VIRQ_CONSOLE VIRQ_DOM_EXC VIRQ_TBUF
            VIRQ_DEBUGGER VIRQ_XENOPROF VIRQ_CON_RING VIRQ_PCPU_STATE VIRQ_MEM_EVENT VIRQ_ARGO
            VIRQ_ENOMEM VIRQ_XENPMU VIRQ_ARCH_0 VIRQ_ARCH_1 VIRQ_ARCH_2 VIRQ_ARCH_3 VIRQ_ARCH_4
            VIRQ_ARCH_5 VIRQ_ARCH_6 VIRQ_ARCH_7 NR_VIRQS MMU_NORMAL_PT_UPDATE MMU_MACHPHYS_UPDATE
            MMU_PT_UPDATE_PRESERVE_AD MMU_PT_UPDATE_NO_TRANSLATE MMUEXT_PIN_L1_TABLE
            MMUEXT_PIN_L2_TABLE MMUEXT_PIN_L3_TABLE MMUEXT_PIN_L4_TABLE MMUEXT_UNPIN_TABLE
            MMUEXT_NEW_BASEPTR MMUEXT_TLB_FLUSH_LOCAL MMUEXT_INVLPG_LOCAL MMUEXT_TLB_FLUSH_MULTI
            MMUEXT_INVLPG_MULTI MMUEXT_TLB_FLUSH_ALL MMUEXT_INVLPG_ALL MMUEXT_FLUSH_CACHE
            MMUEXT_SET_LDT MMUEXT_NEW_USER_BASEPTR MMUEXT_CLEAR_PAGE MMUEXT_COPY_PAGE
            MMUEXT_FLUSH_CACHE_GLOBAL MMUEXT_MARK_SUPER MMUEXT_UNMARK_SUPER UVMF_NONE
            UVMF_TLB_FLUSH UVMF_INVLPG UVMF_FLUSHTYPE_MASK UVMF_MULTI UVMF_LOCAL UVMF_ALL
            CONSOLEIO_write CONSOLEIO_read VMASST_CMD_enable VMASST_CMD_disable
            VMASST_TYPE_4gb_segments VMASST_TYPE_4gb_segments_notify
            VMASST_TYPE_writable_pagetables VMASST_TYPE_pae_extended_cr3
            VMASST_TYPE_architectural_iopl VMASST_TYPE_runstate_update_flag VMASST_TYPE_m2p_strict
            DOMID_FIRST_RESERVED DOMID_SELF DOMID_IO DOMID_XEN DOMID_COW DOMID_INVALID DOMID_IDLE
            DOMID_MASK XEN_PVCLOCK_TSC_STABLE_BIT XEN_PVCLOCK_GUEST_STOPPED MAX_GUEST_CMDLINE
            SIF_PRIVILEGED SIF_INITDOMAIN SIF_MULTIBOOT_MOD SIF_MOD_START_PFN SIF_VIRT_P2M_4TOOLS
            SIF_PM_MASK XEN_VGATYPE_TEXT_MODE_3 XEN_VGATYPE_VESA_LFB XEN_VGATYPE_EFI_LFB
        }
        types {
            guest_handle = "XEN_GUEST_HANDLE(void)"
            domid_t xen_domain_handle_t
        }
        structs {
            mmuext_op { cmd arg1 arg2 }
            mmu_update { ptr val }
            multicall_entry { op result args }
            vcpu_time_info {
                version pad0 tsc_timestamp system_time tsc_to_system_mul tsc_shift flags pad1
            }
            vcpu_info { evtchn_upcall_pending evtchn_upcall_mask evtchn_pending_sel arch time }
            shared_info {
                vcpu_info evtchn_pending evtchn_mask wc_version wc_sec wc_nsec wc_sec_hi arch
            }
            start_info {
                magic nr_pages shared_info flags store_mfn store_evtchn console pt_base
                nr_pt_frames mfn_list mod_start mod_len cmd_line first_p2m_pfn nr_p2m_frames
            }
            start_info_console_domU = "MEMBER(struct start_info, console.domU)" { mfn evtchn }
            start_info_console_dom0 = "MEMBER(struct start_info, console.dom0)" {
                info_off info_size
            }
            xen_multiboot_mod_list { mod_start mod_end cmdline pad }
            dom0_vga_console_info { video_type u }
            dom0_vga_console_info_text_mode_3 = "MEMBER(struct dom0_vga_console_info, u.text_mode_3)" {
                font_height cursor_x cursor_y rows columns
            }
            dom0_vga_console_info_vesa_lfb = "MEMBER(struct dom0_vga_console_info, u.vesa_lfb)" {
                width height bytes_per_line bits_per_pixel lfb_base lfb_size red_pos red_size
                green_pos green_size blue_pos blue_size rsvd_pos rsvd_size gbl_caps mode_attrs pad
                ext_lfb_base
            }
            xen_uuid_t = "xen_uuid_t" { a }
            xenctl_bitmap { bitmap nr_bits }
        }
        exprs {}
    }
    mod arch_x86_64 {
        consts {
            FIRST_RESERVED_GDT_PAGE FIRST_RESERVED_GDT_BYTE FIRST_RESERVED_GDT_ENTRY
            XEN_LEGACY_MAX_VCPUS VGCF_I387_VALID VGCF_IN_KERNEL VGCF_i387_valid VGCF_in_kernel
            VGCF_failsafe_disables_events VGCF_syscall_disables_events VGCF_online
            XEN_X86_EMU_LAPIC XEN_X86_EMU_HPET XEN_X86_EMU_PM XEN_X86_EMU_RTC XEN_X86_EMU_IOAPIC
            XEN_X86_EMU_PIC XEN_X86_EMU_VGA XEN_X86_EMU_IOMMU XEN_X86_EMU_PIT XEN_X86_EMU_USE_PIRQ
            XEN_X86_EMU_VPCI XEN_X86_EMU_ALL XEN_X86_MSR_RELAXED XEN_X86_MISC_FLAGS_MAX
            XEN_CPUID_NO_SUBLEAF XEN_HVM_DEBUGCONS_IOPORT FLAT_RING3_CS32 FLAT_RING3_CS64
            FLAT_RING3_DS32 FLAT_RING3_DS64 FLAT_RING3_SS32 FLAT_RING3_SS64 FLAT_KERNEL_DS64
            FLAT_KERNEL_DS32 FLAT_KERNEL_DS FLAT_KERNEL_CS64 FLAT_KERNEL_CS32 FLAT_KERNEL_CS
            FLAT_KERNEL_SS64 FLAT_KERNEL_SS32 FLAT_KERNEL_SS FLAT_USER_DS64 FLAT_USER_DS32
            FLAT_USER_DS FLAT_USER_CS64 FLAT_USER_CS32 FLAT_USER_CS FLAT_USER_SS64 FLAT_USER_SS32
            FLAT_USER_SS HYPERVISOR_VIRT_START HYPERVISOR_VIRT_END MACH2PHYS_VIRT_START
            MACH2PHYS_VIRT_END MACH2PHYS_NR_ENTRIES SEGBASE_FS SEGBASE_GS_USER SEGBASE_GS_KERNEL
            SEGBASE_GS_USER_SEL VGCF_in_syscall VGCF_IN_SYSCALL
        }
        types {
            xen_pfn_t xen_ulong_t tsc_timestamp_t xen_callback_t
        }
        structs {
            trap_info { vector flags cs address }
            vcpu_guest_context {
                fpu_ctxt flags user_regs trap_ctxt ldt_base ldt_ents gdt_frames gdt_ents kernel_ss
                kernel_sp ctrlreg debugreg event_callback_eip failsafe_callback_eip
                syscall_callback_eip vm_assist fs_base gs_base_kernel gs_base_user
            }
            vcpu_guest_context_fpu_ctxt = "MEMBER(struct vcpu_guest_context, fpu_ctxt)" { x }
            arch_shared_info {
                max_pfn pfn_to_mfn_frame_list_list nmi_reason p2m_cr3 p2m_vaddr p2m_generation
            }
            xen_arch_domainconfig { emulation_flags misc_flags }
            xen_cpuid_leaf { leaf subleaf a b c d }
            xen_msr_entry { idx flags val }
            iret_context { rax r11 rcx flags rip cs rflags rsp ss }
            cpu_user_regs {
                r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi error_code entry_vector
                rip cs _pad0 saved_upcall_mask _pad1 rflags rsp ss _pad2 es _pad3 ds _pad4 fs
                _pad5 gs _pad6
            }
            arch_vcpu_info { cr2 pad }
        }
        exprs {
            xen_pfn_to_cr3(0x12345);
            xen_cr3_to_pfn(0x12345fff);
        }
    }
    mod memory {
        consts {
            XENMEM_increase_reservation XENMEM_decrease_reservation XENMEM_populate_physmap
            XENMEMF_populate_on_demand XENMEMF_exact_node_request XENMEMF_vnode XENMEM_exchange
            XENMEM_maximum_ram_page XENMEM_current_reservation XENMEM_maximum_reservation
            XENMEM_maximum_gpfn XENMEM_machphys_mfn_list XENMEM_machphys_compat_mfn_list
            XENMEM_machphys_mapping XENMAPSPACE_shared_info XENMAPSPACE_grant_table
            XENMAPSPACE_gmfn XENMAPSPACE_gmfn_range XENMAPSPACE_gmfn_foreign XENMAPSPACE_dev_mmio
            XENMEM_add_to_physmap XENMAPIDX_grant_table_status XENMEM_add_to_physmap_batch
            XENMEM_remove_from_physmap XENMEM_memory_map XENMEM_machine_memory_map
            XENMEM_set_memory_map XENMEM_set_pod_target XENMEM_get_pod_target
            XENMEM_get_sharing_freed_pages XENMEM_get_sharing_shared_pages XENMEM_paging_op
            XENMEM_paging_op_nominate XENMEM_paging_op_evict XENMEM_paging_op_prep
            XENMEM_access_op XENMEM_access_op_set_access XENMEM_access_op_get_access
            XENMEM_access_op_set_access_multi XENMEM_access_n XENMEM_access_r XENMEM_access_w
            XENMEM_access_rw XENMEM_access_x XENMEM_access_rx XENMEM_access_wx XENMEM_access_rwx
            XENMEM_access_rx2rw XENMEM_access_n2rwx XENMEM_access_default XENMEM_sharing_op
            XENMEM_sharing_op_nominate_gfn XENMEM_sharing_op_nominate_gref XENMEM_sharing_op_share
            XENMEM_sharing_op_debug_gfn XENMEM_sharing_op_debug_mfn XENMEM_sharing_op_debug_gref
            XENMEM_sharing_op_add_physmap XENMEM_sharing_op_audit XENMEM_sharing_op_range_share
            XENMEM_sharing_op_fork XENMEM_sharing_op_fork_reset XENMEM_SHARING_OP_S_HANDLE_INVALID
            XENMEM_SHARING_OP_C_HANDLE_INVALID XENMEM_SHARING_OP_FIELD_IS_GREF_FLAG
            XENMEM_FORK_WITH_IOMMU_ALLOWED XENMEM_FORK_BLOCK_INTERRUPTS XENMEM_FORK_RESET_STATE
            XENMEM_FORK_RESET_MEMORY XENMEM_claim_pages XENMEM_reserved_device_memory_map
            XENMEM_RDM_ALL XENMEM_acquire_resource XENMEM_resource_ioreq_server
            XENMEM_resource_grant_table XENMEM_resource_vmtrace_buf
            XENMEM_resource_grant_table_id_shared XENMEM_resource_grant_table_id_status
            XENMEM_resource_ioreq_server_frame_bufioreq XENMEM_get_vnumainfo
        }
        types {}
        structs {
            xen_memory_reservation { extent_start nr_extents extent_order mem_flags domid }
            xen_memory_exchange { r#in out nr_exchanged }
            xen_memory_domain { domid }
            xen_machphys_mfn_list { max_extents extent_start nr_extents }
            xen_machphys_mapping { v_start v_end max_mfn }
            xen_add_to_physmap { domid size space idx gpfn }
            xen_add_to_physmap_batch { domid space size u idxs gpfns errs }
            xen_remove_from_physmap { domid gpfn }
            xen_memory_map { nr_entries buffer }
            xen_foreign_memory_map { domid map }
            xen_pod_target { target_pages tot_pages pod_cache_pages pod_entries domid }
            xen_mem_paging_op { op domain buffer gfn }
            xen_mem_access_op { op access domid nr pfn pfn_list access_list }
            xen_mem_sharing_op { op domain u }
            mem_sharing_op_nominate { u handle }
            mem_sharing_op_share {
                source_gfn source_handle client_gfn client_handle client_domain
            }
            mem_sharing_op_range { first_gfn last_gfn opaque client_domain _pad }
            mem_sharing_op_debug { u }
            mem_sharing_op_fork { parent_domain flags pad }
            xen_reserved_device_memory { start_pfn nr_pages }
            xen_reserved_device_memory_map { flags nr_entries buffer dev }
            xen_mem_acquire_resource { domid r#type id nr_frames pad frame frame_list }
            xen_vmemrange { start end flags nid }
            xen_vnuma_topology_info {
                domid pad nr_vnodes nr_vcpus nr_vmemranges vdistance vcpu_to_vnode vmemrange
            }
        }
        exprs {
            XENMEMF_address_bits(32);
            XENMEMF_get_address_bits(0x1234);
            XENMEMF_node(3);
            XENMEMF_get_node(0x1400);
            XENMEMF_get_node(0);
            XENMEMF_exact_node(3);
            XENMEM_resource_ioreq_server_frame_ioreq(2);
        }
    }
    mod event_channel {
        consts {
            EVTCHNOP_bind_interdomain EVTCHNOP_bind_virq EVTCHNOP_bind_pirq EVTCHNOP_close
            EVTCHNOP_send EVTCHNOP_status EVTCHNOP_alloc_unbound EVTCHNOP_bind_ipi
            EVTCHNOP_bind_vcpu EVTCHNOP_unmask EVTCHNOP_reset EVTCHNOP_init_control
            EVTCHNOP_expand_array EVTCHNOP_set_priority BIND_PIRQ__WILL_SHARE EVTCHNSTAT_closed
            EVTCHNSTAT_unbound EVTCHNSTAT_interdomain EVTCHNSTAT_pirq EVTCHNSTAT_virq
            EVTCHNSTAT_ipi EVTCHN_2L_NR_CHANNELS EVTCHN_FIFO_PRIORITY_MAX
            EVTCHN_FIFO_PRIORITY_DEFAULT EVTCHN_FIFO_PRIORITY_MIN EVTCHN_FIFO_MAX_QUEUES
            EVTCHN_FIFO_PENDING EVTCHN_FIFO_MASKED EVTCHN_FIFO_LINKED EVTCHN_FIFO_BUSY
            EVTCHN_FIFO_LINK_BITS EVTCHN_FIFO_LINK_MASK EVTCHN_FIFO_NR_CHANNELS
        }
        types {
            evtchn_port_t event_word_t
        }
        structs {
            evtchn_alloc_unbound { dom remote_dom port }
            evtchn_bind_interdomain { remote_dom remote_port local_port }
            evtchn_bind_virq { virq vcpu port }
            evtchn_bind_pirq { pirq flags port }
            evtchn_bind_ipi { vcpu port }
            evtchn_close { port }
            evtchn_send { port }
            evtchn_status { dom port status vcpu u }
            evtchn_status_unbound = "MEMBER(struct evtchn_status, u.unbound)" { dom }
            evtchn_status_interdomain = "MEMBER(struct evtchn_status, u.interdomain)" { dom port }
            evtchn_bind_vcpu { port vcpu }
            evtchn_unmask { port }
            evtchn_reset { dom }
            evtchn_init_control { control_gfn offset vcpu link_bits _pad }
            evtchn_expand_array { array_gfn }
            evtchn_set_priority { port priority }
            evtchn_op { cmd u }
            evtchn_fifo_control_block { ready _rsvd head }
        }
        exprs {}
    }
    mod grant_table {
        consts {
            GNTTAB_NR_RESERVED_ENTRIES GNTTAB_RESERVED_CONSOLE GNTTAB_RESERVED_XENSTORE
            GTF_invalid GTF_permit_access GTF_accept_transfer GTF_transitive GTF_type_mask
            GTF_readonly GTF_reading GTF_writing GTF_PWT GTF_PCD GTF_PAT GTF_sub_page
            GTF_transfer_committed GTF_transfer_completed GNTTABOP_map_grant_ref
            GNTTABOP_unmap_grant_ref GNTTABOP_setup_table GNTTABOP_dump_table GNTTABOP_transfer
            GNTTABOP_copy GNTTABOP_query_size GNTTABOP_unmap_and_replace GNTTABOP_set_version
            GNTTABOP_get_status_frames GNTTABOP_get_version GNTTABOP_swap_grant_ref
            GNTTABOP_cache_flush GNTCOPY_source_gref GNTCOPY_dest_gref GNTTAB_CACHE_CLEAN
            GNTTAB_CACHE_INVAL GNTTAB_CACHE_SOURCE_GREF GNTMAP_device_map GNTMAP_host_map
            GNTMAP_readonly GNTMAP_application_map GNTMAP_contains_pte _GNTMAP_guest_avail0
            GNTMAP_guest_avail_mask GNTST_okay GNTST_general_error GNTST_bad_domain
            GNTST_bad_gntref GNTST_bad_handle GNTST_bad_virt_addr GNTST_bad_dev_addr
            GNTST_no_device_space GNTST_permission_denied GNTST_bad_page GNTST_bad_copy_arg
            GNTST_address_too_big GNTST_eagain GNTST_no_space
        }
        types {
            grant_ref_t grant_entry_v2 = "union grant_entry_v2" grant_status_t grant_handle_t
        }
        structs {
            grant_entry_v1 { flags domid frame }
            grant_entry_header { flags domid }
            grant_entry_v2_full_page = "MEMBER(union grant_entry_v2, full_page)" {
                hdr pad0 frame
            }
            grant_entry_v2_sub_page = "MEMBER(union grant_entry_v2, sub_page)" {
                hdr page_off length frame
            }
            grant_entry_v2_transitive = "MEMBER(union grant_entry_v2, transitive)" {
                hdr trans_domid pad0 gref
            }
            gnttab_map_grant_ref { host_addr flags r#ref dom status handle dev_bus_addr }
            gnttab_unmap_grant_ref { host_addr dev_bus_addr handle status }
            gnttab_setup_table { dom nr_frames status frame_list }
            gnttab_dump_table { dom status }
            gnttab_transfer { mfn domid r#ref status }
            gnttab_copy { source dest len flags status }
            gnttab_copy_ptr { u domid offset }
            gnttab_query_size { dom nr_frames max_nr_frames status }
            gnttab_unmap_and_replace { host_addr new_addr handle status }
            gnttab_set_version { version }
            gnttab_get_status_frames { nr_frames dom status frame_list }
            gnttab_get_version { dom pad version }
            gnttab_swap_grant_ref { ref_a ref_b status }
            gnttab_cache_flush { a offset length op }
        }
        exprs {}
    }
    mod sched {
        consts {
            SCHEDOP_yield SCHEDOP_block SCHEDOP_shutdown SCHEDOP_poll SCHEDOP_remote_shutdown
            SCHEDOP_shutdown_code SCHEDOP_watchdog SCHEDOP_pin_override SHUTDOWN_poweroff
            SHUTDOWN_reboot SHUTDOWN_suspend SHUTDOWN_crash SHUTDOWN_watchdog SHUTDOWN_soft_reset
            SHUTDOWN_MAX
        }
        types {}
        structs {
            sched_shutdown { reason }
            sched_poll { ports nr_ports timeout }
            sched_remote_shutdown { domain_id reason }
            sched_watchdog { id timeout }
            sched_pin_override { pcpu }
        }
        exprs {}
    }
    mod vcpu {
        consts {
            VCPUOP_initialise VCPUOP_up VCPUOP_down VCPUOP_is_up VCPUOP_get_runstate_info
            XEN_RUNSTATE_UPDATE RUNSTATE_running RUNSTATE_runnable RUNSTATE_blocked
            RUNSTATE_offline VCPUOP_register_runstate_memory_area VCPUOP_set_periodic_timer
            VCPUOP_stop_periodic_timer VCPUOP_set_singleshot_timer VCPUOP_stop_singleshot_timer
            VCPU_SSHOTTMR_future VCPUOP_register_vcpu_info VCPUOP_send_nmi VCPUOP_get_physid
            VCPUOP_register_vcpu_time_memory_area
        }
        types {}
        structs {
            vcpu_runstate_info { state state_entry_time time }
            vcpu_register_runstate_memory_area { addr }
            vcpu_set_periodic_timer { period_ns }
            vcpu_set_singleshot_timer { timeout_abs_ns flags }
            vcpu_register_vcpu_info { mfn offset rsvd }
            vcpu_get_physid { phys_id }
            vcpu_register_time_memory_area { addr }
        }
        exprs {
            xen_vcpu_physid_to_x86_apicid(0x0000_0005_0000_0007)
                = "xen_vcpu_physid_to_x86_apicid(0x0000000500000007)";
            xen_vcpu_physid_to_x86_acpiid(0x0000_0005_0000_0007)
                = "xen_vcpu_physid_to_x86_acpiid(0x0000000500000007)";
        }
    }
    mod version {
        consts {
            XENVER_version XENVER_extraversion XEN_EXTRAVERSION_LEN XENVER_compile_info
            XENVER_capabilities XEN_CAPABILITIES_INFO_LEN XENVER_changeset XEN_CHANGESET_INFO_LEN
            XENVER_platform_parameters XENVER_get_features XENVER_pagesize XENVER_guest_handle
            XENVER_commandline XENVER_build_id
        }
        types {
            xen_extraversion_t xen_capabilities_info_t xen_changeset_info_t xen_commandline_t
        }
        structs {
            xen_compile_info { compiler compile_by compile_domain compile_date }
            xen_platform_parameters { virt_start }
            xen_feature_info { submap_idx submap }
            xen_build_id { len buf }
        }
        exprs {}
    }
    mod features {
        consts {
            XENFEAT_writable_page_tables XENFEAT_writable_descriptor_tables
            XENFEAT_auto_translated_physmap XENFEAT_supervisor_mode_kernel
            XENFEAT_pae_pgdir_above_4gb XENFEAT_mmu_pt_update_preserve_ad XENFEAT_highmem_assist
            XENFEAT_gnttab_map_avail_bits XENFEAT_hvm_callback_vector XENFEAT_hvm_safe_pvclock
            XENFEAT_hvm_pirqs XENFEAT_dom0 XENFEAT_memory_op_vnode_supported
            XENFEAT_ARM_SMCCC_supported XENFEAT_linux_rsdp_unrestricted XENFEAT_not_direct_mapped
            XENFEAT_direct_mapped XENFEAT_NR_SUBMAPS
        }
        types {}
        structs {
        }
        exprs {}
    }
    mod callback {
        consts {
            CALLBACKTYPE_event CALLBACKTYPE_failsafe CALLBACKTYPE_syscall
            CALLBACKTYPE_sysenter_deprecated CALLBACKTYPE_nmi CALLBACKTYPE_sysenter
            CALLBACKTYPE_syscall32 CALLBACKF_mask_events CALLBACKOP_register CALLBACKOP_unregister
        }
        types {}
        structs {
            callback_register { r#type flags address }
            callback_unregister { r#type _unused }
        }
        exprs {}
    }
    mod domctl {
        consts {
            XEN_DOMCTL_INTERFACE_VERSION XEN_DOMCTL_CDF_hvm XEN_DOMCTL_CDF_hap
            XEN_DOMCTL_CDF_s3_integrity XEN_DOMCTL_CDF_oos_off XEN_DOMCTL_CDF_xs_domain
            XEN_DOMCTL_CDF_iommu XEN_DOMCTL_CDF_nested_virt XEN_DOMCTL_CDF_vpmu XEN_DOMCTL_CDF_MAX
            XEN_DOMCTL_IOMMU_no_sharept XEN_DOMCTL_IOMMU_MAX XEN_DOMCTL_GRANT_version_mask
            XEN_DOMINF_dying XEN_DOMINF_hvm_guest XEN_DOMINF_shutdown XEN_DOMINF_paused
            XEN_DOMINF_blocked XEN_DOMINF_running XEN_DOMINF_debugged XEN_DOMINF_xs_domain
            XEN_DOMINF_hap XEN_DOMINF_shutdownmask XEN_DOMINF_shutdownshift
            XEN_INVALID_MAX_VCPU_ID XEN_DOMCTL_PFINFO_LTAB_SHIFT XEN_DOMCTL_PFINFO_NOTAB
            XEN_DOMCTL_PFINFO_L1TAB XEN_DOMCTL_PFINFO_L2TAB XEN_DOMCTL_PFINFO_L3TAB
            XEN_DOMCTL_PFINFO_L4TAB XEN_DOMCTL_PFINFO_LTABTYPE_MASK XEN_DOMCTL_PFINFO_LPINTAB
            XEN_DOMCTL_PFINFO_XTAB XEN_DOMCTL_PFINFO_XALLOC XEN_DOMCTL_PFINFO_BROKEN
            XEN_DOMCTL_PFINFO_LTAB_MASK XEN_DOMCTL_SHADOW_OP_OFF XEN_DOMCTL_SHADOW_OP_ENABLE
            XEN_DOMCTL_SHADOW_OP_CLEAN XEN_DOMCTL_SHADOW_OP_PEEK
            XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION
            XEN_DOMCTL_SHADOW_OP_ENABLE_TEST XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY
            XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY
            XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL
            XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL XEN_VCPUAFFINITY_HARD XEN_VCPUAFFINITY_SOFT
            XEN_VCPUAFFINITY_FORCE XEN_SCHEDULER_CREDIT XEN_SCHEDULER_CREDIT2
            XEN_SCHEDULER_ARINC653 XEN_SCHEDULER_RTDS XEN_SCHEDULER_NULL XEN_DOMCTL_SCHEDRT_extra
            XEN_DOMCTL_SCHEDOP_putinfo XEN_DOMCTL_SCHEDOP_getinfo XEN_DOMCTL_SCHEDOP_putvcpuinfo
            XEN_DOMCTL_SCHEDOP_getvcpuinfo XEN_DOMCTL_SENDTRIGGER_NMI XEN_DOMCTL_SENDTRIGGER_RESET
            XEN_DOMCTL_SENDTRIGGER_INIT XEN_DOMCTL_SENDTRIGGER_POWER XEN_DOMCTL_SENDTRIGGER_SLEEP
            XEN_DOMCTL_DEV_PCI XEN_DOMCTL_DEV_DT XEN_DOMCTL_DEV_RDM_RELAXED PT_IRQ_TYPE_PCI
            PT_IRQ_TYPE_ISA PT_IRQ_TYPE_MSI PT_IRQ_TYPE_MSI_TRANSLATE PT_IRQ_TYPE_SPI
            XEN_DOMCTL_VMSI_X86_DEST_ID_MASK XEN_DOMCTL_VMSI_X86_RH_MASK
            XEN_DOMCTL_VMSI_X86_DM_MASK XEN_DOMCTL_VMSI_X86_DELIV_MASK
            XEN_DOMCTL_VMSI_X86_TRIG_MASK XEN_DOMCTL_VMSI_X86_UNMASKED DPCI_ADD_MAPPING
            DPCI_REMOVE_MAPPING XEN_DOMCTL_MEM_CACHEATTR_UC XEN_DOMCTL_MEM_CACHEATTR_WC
            XEN_DOMCTL_MEM_CACHEATTR_WT XEN_DOMCTL_MEM_CACHEATTR_WP XEN_DOMCTL_MEM_CACHEATTR_WB
            XEN_DOMCTL_MEM_CACHEATTR_UCM XEN_DOMCTL_DELETE_MEM_CACHEATTR XEN_CPUID_INPUT_UNUSED
            XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON
            XEN_VM_EVENT_ENABLE XEN_VM_EVENT_DISABLE XEN_VM_EVENT_RESUME XEN_VM_EVENT_GET_VERSION
            XEN_DOMCTL_VM_EVENT_OP_PAGING XEN_DOMCTL_VM_EVENT_OP_MONITOR
            XEN_DOMCTL_VM_EVENT_OP_SHARING XEN_DOMCTL_MEM_SHARING_CONTROL
            XEN_DOMCTL_PSR_CMT_OP_DETACH XEN_DOMCTL_PSR_CMT_OP_ATTACH
            XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID XEN_DOMCTL_MONITOR_OP_ENABLE
            XEN_DOMCTL_MONITOR_OP_DISABLE XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES
            XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS
            XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR
            XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT
            XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION
            XEN_DOMCTL_MONITOR_EVENT_CPUID XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL
            XEN_DOMCTL_MONITOR_EVENT_INTERRUPT XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS
            XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT
            XEN_DOMCTL_MONITOR_EVENT_VMEXIT XEN_DOMCTL_PSR_SET_L3_CBM XEN_DOMCTL_PSR_GET_L3_CBM
            XEN_DOMCTL_PSR_SET_L3_CODE XEN_DOMCTL_PSR_SET_L3_DATA XEN_DOMCTL_PSR_GET_L3_CODE
            XEN_DOMCTL_PSR_GET_L3_DATA XEN_DOMCTL_PSR_SET_L2_CBM XEN_DOMCTL_PSR_GET_L2_CBM
            XEN_DOMCTL_PSR_SET_MBA_THRTL XEN_DOMCTL_PSR_GET_MBA_THRTL XEN_DOMCTL_VUART_OP_INIT
            XEN_DOMCTL_VUART_TYPE_VPL011 XEN_DOMCTL_vmtrace_enable XEN_DOMCTL_vmtrace_disable
            XEN_DOMCTL_vmtrace_reset_and_enable XEN_DOMCTL_vmtrace_output_position
            XEN_DOMCTL_vmtrace_get_option XEN_DOMCTL_vmtrace_set_option XEN_DOMCTL_createdomain
            XEN_DOMCTL_destroydomain XEN_DOMCTL_pausedomain XEN_DOMCTL_unpausedomain
            XEN_DOMCTL_getdomaininfo XEN_DOMCTL_setvcpuaffinity XEN_DOMCTL_shadow_op
            XEN_DOMCTL_max_mem XEN_DOMCTL_setvcpucontext XEN_DOMCTL_getvcpucontext
            XEN_DOMCTL_getvcpuinfo XEN_DOMCTL_max_vcpus XEN_DOMCTL_scheduler_op
            XEN_DOMCTL_setdomainhandle XEN_DOMCTL_setdebugging XEN_DOMCTL_irq_permission
            XEN_DOMCTL_iomem_permission XEN_DOMCTL_ioport_permission XEN_DOMCTL_hypercall_init
            XEN_DOMCTL_settimeoffset XEN_DOMCTL_getvcpuaffinity XEN_DOMCTL_real_mode_area
            XEN_DOMCTL_resumedomain XEN_DOMCTL_sendtrigger XEN_DOMCTL_subscribe
            XEN_DOMCTL_gethvmcontext XEN_DOMCTL_sethvmcontext XEN_DOMCTL_set_address_size
            XEN_DOMCTL_get_address_size XEN_DOMCTL_assign_device XEN_DOMCTL_bind_pt_irq
            XEN_DOMCTL_memory_mapping XEN_DOMCTL_ioport_mapping XEN_DOMCTL_set_ext_vcpucontext
            XEN_DOMCTL_get_ext_vcpucontext XEN_DOMCTL_set_opt_feature
            XEN_DOMCTL_test_assign_device XEN_DOMCTL_set_target XEN_DOMCTL_deassign_device
            XEN_DOMCTL_unbind_pt_irq XEN_DOMCTL_get_device_group XEN_DOMCTL_debug_op
            XEN_DOMCTL_gethvmcontext_partial XEN_DOMCTL_vm_event_op XEN_DOMCTL_mem_sharing_op
            XEN_DOMCTL_gettscinfo XEN_DOMCTL_settscinfo XEN_DOMCTL_getpageframeinfo3
            XEN_DOMCTL_setvcpuextstate XEN_DOMCTL_getvcpuextstate XEN_DOMCTL_set_access_required
            XEN_DOMCTL_audit_p2m XEN_DOMCTL_set_virq_handler XEN_DOMCTL_set_broken_page_p2m
            XEN_DOMCTL_setnodeaffinity XEN_DOMCTL_getnodeaffinity XEN_DOMCTL_cacheflush
            XEN_DOMCTL_get_vcpu_msrs XEN_DOMCTL_set_vcpu_msrs XEN_DOMCTL_setvnumainfo
            XEN_DOMCTL_psr_cmt_op XEN_DOMCTL_monitor_op XEN_DOMCTL_psr_alloc XEN_DOMCTL_soft_reset
            XEN_DOMCTL_vuart_op XEN_DOMCTL_get_cpu_policy XEN_DOMCTL_set_cpu_policy
            XEN_DOMCTL_vmtrace_op XEN_DOMCTL_get_paging_mempool_size
            XEN_DOMCTL_set_paging_mempool_size XEN_DOMCTL_gdbsx_guestmemio
            XEN_DOMCTL_gdbsx_pausevcpu XEN_DOMCTL_gdbsx_unpausevcpu XEN_DOMCTL_gdbsx_domstatus
        }
        types {}
        structs {
            xen_domctl_createdomain {
                ssidref handle flags iommu_opts max_vcpus max_evtchn_port max_grant_frames
                max_maptrack_frames grant_opts vmtrace_size cpupool_id arch
            }
            xen_domctl_getdomaininfo {
                domain pad1 flags tot_pages max_pages outstanding_pages shr_pages paged_pages
                shared_info_frame cpu_time nr_online_vcpus max_vcpu_id ssidref handle cpupool
                gpaddr_bits pad2 arch_config
            }
            xen_domctl_getpageframeinfo3 { num array }
            xen_domctl_shadow_op_stats { fault_count dirty_count }
            xen_domctl_shadow_op { op mode mb dirty_bitmap pages stats }
            xen_domctl_max_mem { max_memkb }
            xen_domctl_vcpucontext { vcpu ctxt }
            xen_domctl_getvcpuinfo { vcpu online blocked running cpu_time cpu }
            xen_domctl_nodeaffinity { nodemap }
            xen_domctl_vcpuaffinity { vcpu flags cpumap_hard cpumap_soft }
            xen_domctl_max_vcpus { max }
            xen_domctl_sched_credit { weight cap }
            xen_domctl_sched_credit2 { weight cap }
            xen_domctl_sched_rtds { period budget flags }
            xen_domctl_schedparam_vcpu { u vcpuid }
            xen_domctl_scheduler_op { sched_id cmd u }
            xen_domctl_scheduler_op_v = "MEMBER(struct xen_domctl_scheduler_op, u.v)" {
                vcpus nr_vcpus padding
            }
            xen_domctl_setdomainhandle { handle }
            xen_domctl_setdebugging { enable }
            xen_domctl_irq_permission { pirq allow_access pad }
            xen_domctl_iomem_permission { first_mfn nr_mfns allow_access }
            xen_domctl_ioport_permission { first_port nr_ports allow_access }
            xen_domctl_hypercall_init { gmfn }
            xen_domctl_settimeoffset { time_offset_seconds }
            xen_domctl_hvmcontext { size buffer }
            xen_domctl_address_size { size }
            xen_domctl_sendtrigger { trigger vcpu }
            xen_domctl_assign_device { dev flags u }
            xen_domctl_assign_device_pci = "MEMBER(struct xen_domctl_assign_device, u.pci)" {
                machine_sbdf
            }
            xen_domctl_assign_device_dt = "MEMBER(struct xen_domctl_assign_device, u.dt)" {
                size path
            }
            xen_domctl_get_device_group { machine_sbdf max_sdevs num_sdevs sdev_array }
            xen_domctl_bind_pt_irq { machine_irq irq_type u }
            xen_domctl_bind_pt_irq_isa = "MEMBER(struct xen_domctl_bind_pt_irq, u.isa)" {
                isa_irq
            }
            xen_domctl_bind_pt_irq_pci = "MEMBER(struct xen_domctl_bind_pt_irq, u.pci)" {
                bus device intx
            }
            xen_domctl_bind_pt_irq_msi = "MEMBER(struct xen_domctl_bind_pt_irq, u.msi)" {
                gvec gflags gtable
            }
            xen_domctl_bind_pt_irq_spi = "MEMBER(struct xen_domctl_bind_pt_irq, u.spi)" { spi }
            xen_domctl_memory_mapping { first_gfn first_mfn nr_mfns add_mapping padding }
            xen_domctl_ioport_mapping { first_gport first_mport nr_ports add_mapping }
            xen_domctl_ext_vcpucontext {
                vcpu size syscall32_callback_eip sysenter_callback_eip syscall32_callback_cs
                sysenter_callback_cs syscall32_disables_events sysenter_disables_events vmce
            }
            xen_domctl_set_target { target }
            xen_domctl_cpu_policy { nr_leaves nr_msrs leaves msrs err_leaf err_subleaf err_msr }
            xen_domctl_subscribe { port }
            xen_domctl_debug_op { op vcpu }
            xen_domctl_hvmcontext_partial { r#type instance bufsz buffer }
            xen_domctl_tsc_info { tsc_mode gtsc_khz incarnation pad elapsed_nsec }
            xen_domctl_gdbsx_memio { pgd3val gva uva len gwr remain }
            xen_domctl_gdbsx_pauseunp_vcpu { vcpu }
            xen_domctl_gdbsx_domstatus { paused vcpu_id vcpu_ev }
            xen_domctl_vm_event_op { op mode u }
            xen_domctl_vm_event_op_enable = "MEMBER(struct xen_domctl_vm_event_op, u.enable)" {
                port
            }
            xen_domctl_mem_sharing_op { op u }
            xen_domctl_audit_p2m { orphans m2p_bad p2m_bad }
            xen_domctl_set_virq_handler { virq }
            xen_domctl_vcpuextstate { vcpu xfeature_mask size buffer }
            xen_domctl_set_access_required { access_required }
            xen_domctl_set_broken_page_p2m { pfn }
            xen_domctl_cacheflush { start_pfn nr_pfns }
            xen_domctl_paging_mempool { size }
            xen_domctl_vcpu_msr { index reserved value }
            xen_domctl_vcpu_msrs { vcpu msr_count msrs }
            xen_domctl_vnuma {
                nr_vnodes nr_vmemranges nr_vcpus pad vdistance vcpu_to_vnode vnode_to_pnode
                vmemrange
            }
            xen_domctl_psr_cmt_op { cmd data }
            xen_domctl_monitor_op { op event u }
            xen_domctl_monitor_op_mov_to_cr = "MEMBER(struct xen_domctl_monitor_op, u.mov_to_cr)" {
                index sync onchangeonly pad1 pad2 bitmask
            }
            xen_domctl_monitor_op_mov_to_msr = "MEMBER(struct xen_domctl_monitor_op, u.mov_to_msr)" {
                msr onchangeonly
            }
            xen_domctl_monitor_op_guest_request = "MEMBER(struct xen_domctl_monitor_op, u.guest_request)" {
                sync allow_userspace
            }
            xen_domctl_monitor_op_debug_exception = "MEMBER(struct xen_domctl_monitor_op, u.debug_exception)" {
                sync
            }
            xen_domctl_monitor_op_vmexit = "MEMBER(struct xen_domctl_monitor_op, u.vmexit)" {
                sync
            }
            xen_domctl_psr_alloc { cmd target data }
            xen_domctl_vuart_op { cmd r#type gfn console_domid pad evtchn }
            xen_domctl_vmtrace_op { cmd vcpu key value }
            xen_domctl { cmd interface_version domain _pad u }
            hvm_vmce_vcpu { caps mci_ctl2_bank0 mci_ctl2_bank1 mcg_ext_ctl }
        }
        exprs {
            XEN_DOMCTL_GRANT_version(0x12);
        }
    }
    mod sysctl {
        consts {
            XEN_SYSCTL_INTERFACE_VERSION XEN_SYSCTL_TBUFOP_get_info XEN_SYSCTL_TBUFOP_set_cpu_mask
            XEN_SYSCTL_TBUFOP_set_evt_mask XEN_SYSCTL_TBUFOP_set_size XEN_SYSCTL_TBUFOP_enable
            XEN_SYSCTL_TBUFOP_disable XEN_SYSCTL_PHYSCAP_hvm XEN_SYSCTL_PHYSCAP_pv
            XEN_SYSCTL_PHYSCAP_directio XEN_SYSCTL_PHYSCAP_hap XEN_SYSCTL_PHYSCAP_shadow
            XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share XEN_SYSCTL_PHYSCAP_vmtrace
            XEN_SYSCTL_PHYSCAP_vpmu XEN_SYSCTL_PHYSCAP_gnttab_v1 XEN_SYSCTL_PHYSCAP_gnttab_v2
            XEN_SYSCTL_PHYSCAP_MAX XEN_SYSCTL_PERFCOP_reset XEN_SYSCTL_PERFCOP_query
            PMSTAT_CATEGORY_MASK PMSTAT_PX PMSTAT_CX PMSTAT_get_max_px PMSTAT_get_pxstat
            PMSTAT_reset_pxstat PMSTAT_get_max_cx PMSTAT_get_cxstat PMSTAT_reset_cxstat
            XEN_SYSCTL_CPU_HOTPLUG_ONLINE XEN_SYSCTL_CPU_HOTPLUG_OFFLINE
            XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE CPUFREQ_NAME_LEN
            SCALING_MAX_FREQ SCALING_MIN_FREQ SCALING_SETSPEED SAMPLING_RATE UP_THRESHOLD
            PM_PARA_CATEGORY_MASK CPUFREQ_PARA GET_CPUFREQ_PARA SET_CPUFREQ_GOV SET_CPUFREQ_PARA
            GET_CPUFREQ_AVGFREQ XEN_SYSCTL_pm_op_set_sched_opt_smt XEN_SYSCTL_pm_op_get_max_cstate
            XEN_SYSCTL_pm_op_set_max_cstate XEN_SYSCTL_pm_op_set_vcpu_migration_delay
            XEN_SYSCTL_pm_op_get_vcpu_migration_delay XEN_SYSCTL_pm_op_enable_turbo
            XEN_SYSCTL_pm_op_disable_turbo XEN_SYSCTL_CX_UNLIMITED sysctl_page_offline
            sysctl_page_online sysctl_query_page_offline PG_OFFLINE_STATUS_MASK PG_OFFLINE_INVALID
            PG_OFFLINE_OFFLINED PG_OFFLINE_PENDING PG_OFFLINE_FAILED PG_OFFLINE_AGAIN
            PG_ONLINE_FAILED PG_ONLINE_ONLINED PG_OFFLINE_STATUS_OFFLINED PG_OFFLINE_STATUS_ONLINE
            PG_OFFLINE_STATUS_OFFLINE_PENDING PG_OFFLINE_STATUS_BROKEN PG_OFFLINE_MISC_MASK
            PG_OFFLINE_XENPAGE PG_OFFLINE_DOM0PAGE PG_OFFLINE_ANONYMOUS PG_OFFLINE_NOT_CONV_RAM
            PG_OFFLINE_OWNED PG_OFFLINE_BROKEN PG_ONLINE_BROKEN PG_OFFLINE_OWNER_SHIFT
            XEN_SYSCTL_LOCKPROF_reset XEN_SYSCTL_LOCKPROF_query LOCKPROF_TYPE_GLOBAL
            LOCKPROF_TYPE_PERDOM LOCKPROF_TYPE_N XEN_INVALID_CORE_ID XEN_INVALID_SOCKET_ID
            XEN_INVALID_NODE_ID XEN_INVALID_MEM_SZ XEN_INVALID_NODE_DIST
            XEN_SYSCTL_CPUPOOL_OP_CREATE XEN_SYSCTL_CPUPOOL_OP_DESTROY XEN_SYSCTL_CPUPOOL_OP_INFO
            XEN_SYSCTL_CPUPOOL_OP_ADDCPU XEN_SYSCTL_CPUPOOL_OP_RMCPU
            XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN XEN_SYSCTL_CPUPOOL_OP_FREEINFO
            XEN_SYSCTL_CPUPOOL_PAR_ANY ARINC653_MAX_DOMAINS_PER_SCHEDULE
            XEN_SYSCTL_SCHED_RATELIMIT_MAX XEN_SYSCTL_SCHED_RATELIMIT_MIN
            XEN_SYSCTL_CSCHED_TSLICE_MAX XEN_SYSCTL_CSCHED_TSLICE_MIN
            XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US XEN_SYSCTL_SCHEDOP_putinfo XEN_SYSCTL_SCHEDOP_getinfo
            XEN_GCOV_FORMAT_MAGIC XEN_SYSCTL_COVERAGE_get_size XEN_SYSCTL_COVERAGE_read
            XEN_SYSCTL_COVERAGE_reset XEN_SYSCTL_PSR_CMT_get_total_rmid
            XEN_SYSCTL_PSR_CMT_get_l3_upscaling_factor XEN_SYSCTL_PSR_CMT_get_l3_cache_size
            XEN_SYSCTL_PSR_CMT_enabled XEN_SYSCTL_PSR_CMT_get_l3_event_mask XEN_INVALID_DEV
            XEN_SYSCTL_PSR_get_l3_info XEN_SYSCTL_PSR_get_l2_info XEN_SYSCTL_PSR_get_mba_info
            XEN_SYSCTL_PSR_CAT_L3_CDP XEN_SYSCTL_PSR_MBA_LINEAR XEN_SYSCTL_CPU_LEVELCAP_faulting
            XEN_SYSCTL_CPU_LEVELCAP_ecx XEN_SYSCTL_CPU_LEVELCAP_edx
            XEN_SYSCTL_CPU_LEVELCAP_extd_ecx XEN_SYSCTL_CPU_LEVELCAP_extd_edx
            XEN_SYSCTL_CPU_LEVELCAP_xsave_eax XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx
            XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx
            XEN_SYSCTL_cpu_featureset_raw XEN_SYSCTL_cpu_featureset_host
            XEN_SYSCTL_cpu_featureset_pv XEN_SYSCTL_cpu_featureset_hvm
            XEN_SYSCTL_cpu_featureset_pv_max XEN_SYSCTL_cpu_featureset_hvm_max
            LIVEPATCH_PAYLOAD_VERSION XEN_LIVEPATCH_NAME_SIZE XEN_SYSCTL_LIVEPATCH_UPLOAD
            XEN_SYSCTL_LIVEPATCH_GET LIVEPATCH_STATE_CHECKED LIVEPATCH_STATE_APPLIED
            XEN_SYSCTL_LIVEPATCH_LIST XEN_SYSCTL_LIVEPATCH_ACTION LIVEPATCH_ACTION_UNLOAD
            LIVEPATCH_ACTION_REVERT LIVEPATCH_ACTION_APPLY LIVEPATCH_ACTION_REPLACE
            LIVEPATCH_ACTION_APPLY_NODEPS XEN_SYSCTL_cpu_policy_raw XEN_SYSCTL_cpu_policy_host
            XEN_SYSCTL_cpu_policy_pv_max XEN_SYSCTL_cpu_policy_hvm_max
            XEN_SYSCTL_cpu_policy_pv_default XEN_SYSCTL_cpu_policy_hvm_default
            XEN_SYSCTL_readconsole XEN_SYSCTL_tbuf_op XEN_SYSCTL_physinfo XEN_SYSCTL_sched_id
            XEN_SYSCTL_perfc_op XEN_SYSCTL_getdomaininfolist XEN_SYSCTL_debug_keys
            XEN_SYSCTL_getcpuinfo XEN_SYSCTL_availheap XEN_SYSCTL_get_pmstat
            XEN_SYSCTL_cpu_hotplug XEN_SYSCTL_pm_op XEN_SYSCTL_page_offline_op
            XEN_SYSCTL_lockprof_op XEN_SYSCTL_cputopoinfo XEN_SYSCTL_numainfo
            XEN_SYSCTL_cpupool_op XEN_SYSCTL_scheduler_op XEN_SYSCTL_coverage_op
            XEN_SYSCTL_psr_cmt_op XEN_SYSCTL_pcitopoinfo XEN_SYSCTL_psr_alloc
            XEN_SYSCTL_get_cpu_levelling_caps XEN_SYSCTL_get_cpu_featureset
            XEN_SYSCTL_livepatch_op XEN_SYSCTL_get_cpu_policy
        }
        types {
            xen_sysctl_perfc_val_t
        }
        structs {
            xen_sysctl_readconsole { clear incremental pad0 pad1 index buffer count }
            xen_sysctl_tbuf_op { cmd cpu_mask evt_mask buffer_mfn size }
            xen_sysctl_physinfo {
                threads_per_core cores_per_socket nr_cpus max_cpu_id nr_nodes max_node_id cpu_khz
                capabilities arch_capabilities pad total_pages free_pages scrub_pages
                outstanding_pages max_mfn hw_cap
            }
            xen_sysctl_sched_id { sched_id }
            xen_sysctl_perfc_desc { name nr_vals }
            xen_sysctl_perfc_op { cmd nr_counters nr_vals desc val }
            xen_sysctl_getdomaininfolist { first_domain max_domains buffer num_domains }
            xen_sysctl_debug_keys { keys nr_keys }
            xen_sysctl_cpuinfo { idletime }
            xen_sysctl_getcpuinfo { max_cpus info nr_cpus }
            xen_sysctl_availheap { min_bitwidth max_bitwidth node avail_bytes }
            pm_px_val { freq residency count }
            pm_px_stat { total usable last cur trans_pt pt }
            pm_cx_stat { nr last idle_time triggers residencies nr_pc nr_cc pc cc }
            xen_sysctl_get_pmstat { r#type cpuid u }
            xen_sysctl_cpu_hotplug { cpu op }
            xen_userspace { scaling_setspeed }
            xen_ondemand { sampling_rate_max sampling_rate_min sampling_rate up_threshold }
            xen_get_cpufreq_para {
                cpu_num freq_num gov_num affected_cpus scaling_available_frequencies
                scaling_available_governors scaling_driver cpuinfo_cur_freq cpuinfo_max_freq
                cpuinfo_min_freq scaling_cur_freq scaling_governor scaling_max_freq
                scaling_min_freq u turbo_enabled
            }
            xen_set_cpufreq_gov { scaling_governor }
            xen_set_cpufreq_para { ctrl_type ctrl_value }
            xen_sysctl_pm_op { cmd cpuid u }
            xen_sysctl_page_offline_op { cmd start end status }
            xen_sysctl_lockprof_data { name r#type idx lock_cnt block_cnt lock_time block_time }
            xen_sysctl_lockprof_op { cmd max_elem nr_elem time data }
            xen_sysctl_cputopo { core socket node }
            xen_sysctl_cputopoinfo { num_cpus cputopo }
            xen_sysctl_meminfo { memsize memfree }
            xen_sysctl_numainfo { num_nodes meminfo distance }
            xen_sysctl_cpupool_op { op cpupool_id sched_id domid cpu n_dom cpumap }
            xen_sysctl_arinc653_schedule { major_frame num_sched_entries sched_entries }
            xen_sysctl_arinc653_schedule_sched_entries = "MEMBER(struct xen_sysctl_arinc653_schedule, sched_entries[0])" {
                dom_handle vcpu_id runtime
            }
            xen_sysctl_credit_schedule { tslice_ms ratelimit_us vcpu_migr_delay_us }
            xen_sysctl_credit2_schedule { ratelimit_us }
            xen_sysctl_scheduler_op { cpupool_id sched_id cmd u }
            xen_sysctl_sched_arinc653 { schedule }
            xen_sysctl_coverage_op { cmd size buffer }
            xen_sysctl_psr_cmt_op { cmd flags u }
            xen_sysctl_psr_cmt_op_l3_cache = "MEMBER(struct xen_sysctl_psr_cmt_op, u.l3_cache)" {
                cpu rsvd
            }
            xen_sysctl_pcitopoinfo { num_devs devs nodes }
            xen_sysctl_psr_alloc { cmd target u }
            xen_sysctl_psr_alloc_cat_info = "MEMBER(struct xen_sysctl_psr_alloc, u.cat_info)" {
                cbm_len cos_max flags
            }
            xen_sysctl_psr_alloc_mba_info = "MEMBER(struct xen_sysctl_psr_alloc, u.mba_info)" {
                thrtl_max cos_max flags
            }
            xen_sysctl_cpu_levelling_caps { caps }
            xen_sysctl_cpu_featureset { index nr_features features }
            xen_livepatch_name { name size pad }
            xen_sysctl_livepatch_upload { name size payload }
            xen_livepatch_status { state rc }
            xen_sysctl_livepatch_get { name status }
            xen_sysctl_livepatch_list {
                version idx nr pad name_total_size metadata_total_size status name len metadata
                metadata_len
            }
            xen_sysctl_livepatch_action { name cmd timeout flags pad }
            xen_sysctl_livepatch_op { cmd pad u }
            xen_sysctl_cpu_policy { index nr_leaves nr_msrs _rsvd leaves msrs }
            xen_sysctl { cmd interface_version u }
        }
        exprs {}
    }
    mod physdev {
        consts {
            PHYSDEVOP_eoi PHYSDEVOP_pirq_eoi_gmfn_v1 PHYSDEVOP_pirq_eoi_gmfn_v2
            PHYSDEVOP_irq_status_query XENIRQSTAT_needs_eoi XENIRQSTAT_shared PHYSDEVOP_set_iopl
            PHYSDEVOP_set_iobitmap PHYSDEVOP_apic_read PHYSDEVOP_apic_write
            PHYSDEVOP_alloc_irq_vector PHYSDEVOP_free_irq_vector MAP_PIRQ_TYPE_MSI
            MAP_PIRQ_TYPE_GSI MAP_PIRQ_TYPE_UNKNOWN MAP_PIRQ_TYPE_MSI_SEG MAP_PIRQ_TYPE_MULTI_MSI
            PHYSDEVOP_map_pirq PHYSDEVOP_unmap_pirq PHYSDEVOP_manage_pci_add
            PHYSDEVOP_manage_pci_remove PHYSDEVOP_restore_msi PHYSDEVOP_manage_pci_add_ext
            PHYSDEVOP_setup_gsi PHYSDEVOP_get_free_pirq XEN_PCI_MMCFG_RESERVED
            PHYSDEVOP_pci_mmcfg_reserved XEN_PCI_DEV_EXTFN XEN_PCI_DEV_VIRTFN XEN_PCI_DEV_PXM
            PHYSDEVOP_pci_device_add PHYSDEVOP_pci_device_remove PHYSDEVOP_restore_msi_ext
            PHYSDEVOP_prepare_msix PHYSDEVOP_release_msix PHYSDEVOP_DBGP_RESET_PREPARE
            PHYSDEVOP_DBGP_RESET_DONE PHYSDEVOP_DBGP_BUS_UNKNOWN PHYSDEVOP_DBGP_BUS_PCI
            PHYSDEVOP_dbgp_op PHYSDEVOP_IRQ_UNMASK_NOTIFY PHYSDEVOP_pirq_eoi_gmfn
        }
        types {}
        structs {
            physdev_eoi { irq }
            physdev_pirq_eoi_gmfn { gmfn }
            physdev_irq_status_query { irq flags }
            physdev_set_iopl { iopl }
            physdev_set_iobitmap { bitmap nr_ports }
            physdev_apic { apic_physbase reg value }
            physdev_irq { irq vector }
            physdev_map_pirq { domid r#type index pirq bus devfn entry_nr table_base }
            physdev_unmap_pirq { domid pirq }
            physdev_manage_pci { bus devfn }
            physdev_restore_msi { bus devfn }
            physdev_manage_pci_ext { bus devfn is_extfn is_virtfn physfn }
            physdev_manage_pci_ext_physfn = "MEMBER(struct physdev_manage_pci_ext, physfn)" {
                bus devfn
            }
            physdev_op { cmd u }
            physdev_setup_gsi { gsi triggering polarity }
            physdev_get_free_pirq { r#type pirq }
            physdev_pci_mmcfg_reserved { address segment start_bus end_bus flags }
            physdev_pci_device_add { seg bus devfn flags physfn optarr }
            physdev_pci_device_add_physfn = "MEMBER(struct physdev_pci_device_add, physfn)" {
                bus devfn
            }
            physdev_pci_device { seg bus devfn }
            physdev_dbgp_op { op bus u }
        }
        exprs {}
    }
    mod platform {
        consts {
            XENPF_INTERFACE_VERSION XENPF_settime32 XENPF_settime64 XENPF_settime
            XENPF_add_memtype XENPF_del_memtype XENPF_read_memtype XENPF_microcode_update
            XENPF_platform_quirk QUIRK_NOIRQBALANCING QUIRK_IOAPIC_BAD_REGSEL
            QUIRK_IOAPIC_GOOD_REGSEL XENPF_efi_runtime_call XEN_EFI_get_time XEN_EFI_set_time
            XEN_EFI_get_wakeup_time XEN_EFI_set_wakeup_time XEN_EFI_get_next_high_monotonic_count
            XEN_EFI_get_variable XEN_EFI_set_variable XEN_EFI_get_next_variable_name
            XEN_EFI_query_variable_info XEN_EFI_query_capsule_capabilities XEN_EFI_update_capsule
            XEN_EFI_GET_TIME_SET_CLEARS_NS XEN_EFI_GET_WAKEUP_TIME_ENABLED
            XEN_EFI_GET_WAKEUP_TIME_PENDING XEN_EFI_SET_WAKEUP_TIME_ENABLE
            XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY XEN_EFI_VARIABLE_NON_VOLATILE
            XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS XEN_EFI_VARIABLE_RUNTIME_ACCESS
            XEN_EFI_VARINFO_BOOT_SNAPSHOT XENPF_firmware_info XEN_FW_DISK_INFO
            XEN_FW_DISK_MBR_SIGNATURE XEN_FW_VBEDDC_INFO XEN_FW_EFI_INFO XEN_FW_EFI_VERSION
            XEN_FW_EFI_CONFIG_TABLE XEN_FW_EFI_VENDOR XEN_FW_EFI_MEM_INFO XEN_FW_EFI_RT_VERSION
            XEN_FW_EFI_PCI_ROM XEN_FW_EFI_APPLE_PROPERTIES XEN_FW_KBD_SHIFT_FLAGS
            XENPF_enter_acpi_sleep XENPF_ACPI_SLEEP_EXTENDED XENPF_change_freq XENPF_getidletime
            XENPF_set_processor_pminfo XEN_PROCESSOR_PM_CX XEN_PROCESSOR_PM_PX XEN_PROCESSOR_PM_TX
            XEN_PM_CX XEN_PM_PX XEN_PM_TX XEN_PM_PDC XEN_PX_PCT XEN_PX_PSS XEN_PX_PPC XEN_PX_PSD
            XEN_CPUPERF_SHARED_TYPE_HW XEN_CPUPERF_SHARED_TYPE_ALL XEN_CPUPERF_SHARED_TYPE_ANY
            XENPF_get_cpuinfo XEN_PCPU_FLAGS_ONLINE XEN_PCPU_FLAGS_INVALID XENPF_get_cpu_version
            XENPF_cpu_online XENPF_cpu_offline XENPF_cpu_hotadd XENPF_mem_hotadd
            XENPF_core_parking XEN_CORE_PARKING_SET XEN_CORE_PARKING_GET XENPF_resource_op
            XEN_RESOURCE_OP_MSR_READ XEN_RESOURCE_OP_MSR_WRITE XENPF_get_symbol
        }
        types {}
        structs {
            xenpf_settime32 { secs nsecs system_time }
            xenpf_settime64 { secs nsecs mbz system_time }
            xenpf_add_memtype { mfn nr_mfns r#type handle reg }
            xenpf_del_memtype { handle reg }
            xenpf_read_memtype { reg mfn nr_mfns r#type }
            xenpf_microcode_update { data length }
            xenpf_platform_quirk { quirk_id }
            xenpf_efi_time { year month day hour min sec ns tz daylight }
            xenpf_efi_guid { data1 data2 data3 data4 }
            xenpf_efi_runtime_call { function misc status u }
            xenpf_efi_runtime_call_get_time = "MEMBER(struct xenpf_efi_runtime_call, u.get_time)" {
                time resolution accuracy
            }
            xenpf_efi_runtime_call_get_variable = "MEMBER(struct xenpf_efi_runtime_call, u.get_variable)" {
                name size data vendor_guid
            }
            xenpf_efi_runtime_call_set_variable = "MEMBER(struct xenpf_efi_runtime_call, u.set_variable)" {
                name size data vendor_guid
            }
            xenpf_efi_runtime_call_get_next_variable_name = "MEMBER(struct xenpf_efi_runtime_call, u.get_next_variable_name)" {
                size name vendor_guid
            }
            xenpf_efi_runtime_call_query_variable_info = "MEMBER(struct xenpf_efi_runtime_call, u.query_variable_info)" {
                attr max_store_size remain_store_size max_size
            }
            xenpf_efi_runtime_call_query_capsule_capabilities = "MEMBER(struct xenpf_efi_runtime_call, u.query_capsule_capabilities)" {
                capsule_header_array capsule_count max_capsule_size reset_type
            }
            xenpf_efi_runtime_call_update_capsule = "MEMBER(struct xenpf_efi_runtime_call, u.update_capsule)" {
                capsule_header_array capsule_count sg_list
            }
            xenpf_firmware_info { r#type index u }
            xenpf_firmware_info_disk_info = "MEMBER(struct xenpf_firmware_info, u.disk_info)" {
                device version interface_support legacy_max_cylinder legacy_max_head
                legacy_sectors_per_track edd_params
            }
            xenpf_firmware_info_disk_mbr_signature = "MEMBER(struct xenpf_firmware_info, u.disk_mbr_signature)" {
                device mbr_signature
            }
            xenpf_firmware_info_vbeddc_info = "MEMBER(struct xenpf_firmware_info, u.vbeddc_info)" {
                capabilities edid_transfer_time edid
            }
            xenpf_efi_info_cfg = "MEMBER(struct xenpf_firmware_info, u.efi_info.cfg)" {
                addr nent
            }
            xenpf_efi_info_vendor = "MEMBER(struct xenpf_firmware_info, u.efi_info.vendor)" {
                revision bufsz name
            }
            xenpf_efi_info_mem = "MEMBER(struct xenpf_firmware_info, u.efi_info.mem)" {
                addr size attr r#type
            }
            xenpf_efi_info_pci_rom = "MEMBER(struct xenpf_firmware_info, u.efi_info.pci_rom)" {
                segment bus devfn vendor devid address size
            }
            xenpf_efi_info_apple_properties = "MEMBER(struct xenpf_firmware_info, u.efi_info.apple_properties)" {
                address size
            }
            xenpf_enter_acpi_sleep { val_a val_b sleep_state flags }
            xenpf_change_freq { flags cpu freq }
            xenpf_getidletime { cpumap_bitmap cpumap_nr_cpus idletime now }
            xen_power_register { space_id bit_width bit_offset access_size address }
            xen_processor_csd { domain coord_type num }
            xen_processor_cx { reg r#type latency power dpcnt dp }
            xen_processor_flags { bits = "0" }
            xen_processor_power { count flags states }
            xen_pct_register { descriptor length space_id bit_width bit_offset reserved address }
            xen_processor_px {
                core_frequency power transition_latency bus_master_latency control status
            }
            xen_psd_package { num_entries revision domain coord_type num_processors }
            xen_processor_performance {
                flags platform_limit control_register status_register state_count states
                domain_info shared_type
            }
            xenpf_set_processor_pminfo { id r#type u }
            xenpf_pcpuinfo { xen_cpuid max_present flags apic_id acpi_id }
            xenpf_pcpu_version { xen_cpuid max_present vendor_id family model stepping }
            xenpf_cpu_ol { cpuid }
            xenpf_cpu_hotadd { apic_id acpi_id pxm }
            xenpf_mem_hotadd { spfn epfn pxm flags }
            xenpf_core_parking { r#type idle_nums }
            xenpf_resource_entry { u rsvd idx val }
            xenpf_resource_op { nr_entries cpu entries }
            xenpf_symdata { namelen symnum name address r#type }
            xen_platform_op { cmd interface_version u }
        }
        exprs {}
    }
    mod elfnote {
        consts {
            XEN_ELFNOTE_INFO XEN_ELFNOTE_ENTRY XEN_ELFNOTE_HYPERCALL_PAGE XEN_ELFNOTE_VIRT_BASE
            XEN_ELFNOTE_PADDR_OFFSET XEN_ELFNOTE_XEN_VERSION XEN_ELFNOTE_GUEST_OS
            XEN_ELFNOTE_GUEST_VERSION XEN_ELFNOTE_LOADER XEN_ELFNOTE_PAE_MODE XEN_ELFNOTE_FEATURES
            XEN_ELFNOTE_BSD_SYMTAB XEN_ELFNOTE_HV_START_LOW XEN_ELFNOTE_L1_MFN_VALID
            XEN_ELFNOTE_SUSPEND_CANCEL XEN_ELFNOTE_INIT_P2M XEN_ELFNOTE_MOD_START_PFN
            XEN_ELFNOTE_SUPPORTED_FEATURES XEN_ELFNOTE_PHYS32_ENTRY XEN_ELFNOTE_MAX
            XEN_ELFNOTE_CRASH_INFO XEN_ELFNOTE_CRASH_REGS XEN_ELFNOTE_DUMPCORE_NONE
            XEN_ELFNOTE_DUMPCORE_HEADER XEN_ELFNOTE_DUMPCORE_XEN_VERSION
            XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION
        }
        types {}
        structs {
        }
        exprs {}
    }
    mod errno {
        consts {
            XEN_EPERM XEN_ENOENT XEN_ESRCH XEN_EIO XEN_ENXIO XEN_E2BIG XEN_ENOEXEC XEN_EBADF
            XEN_ECHILD XEN_EAGAIN XEN_EWOULDBLOCK XEN_ENOMEM XEN_EACCES XEN_EFAULT XEN_EBUSY
            XEN_EEXIST XEN_EXDEV XEN_ENODEV XEN_ENOTDIR XEN_EISDIR XEN_EINVAL XEN_ENFILE
            XEN_EMFILE XEN_ENOSPC XEN_EROFS XEN_EMLINK XEN_EDOM XEN_ERANGE XEN_EDEADLK
            XEN_EDEADLOCK XEN_ENAMETOOLONG XEN_ENOLCK XEN_ENOSYS XEN_ENOTEMPTY XEN_ENODATA
            XEN_ETIME XEN_EBADMSG XEN_EOVERFLOW XEN_EILSEQ XEN_ENOTSOCK XEN_EMSGSIZE
            XEN_EOPNOTSUPP XEN_EADDRINUSE XEN_EADDRNOTAVAIL XEN_ENOBUFS XEN_EISCONN XEN_ENOTCONN
            XEN_ETIMEDOUT XEN_ECONNREFUSED
        }
        types {}
        structs {
        }
        exprs {}
    }
    mod io::ring {
        consts {}
        types {
            RING_IDX
        }
        structs {
            sring_header = "struct probe_sring" sized "offsetof(struct probe_sring, ring)" {
                req_prod req_event rsp_prod rsp_event pvt_pad = "offsetof(struct probe_sring, pvt)" __pad
            }
        }
        exprs {
            ring_size(1, 4096) = "__CONST_RING_SIZE(probe, 4096)";
            ring_size(1, 100) = "__CONST_RING_SIZE(probe, 100)";
            ring_size(12, 4096) = "__CONST_RING_SIZE(netif_tx, 4096)";
            ring_size(8, 4096) = "__CONST_RING_SIZE(netif_rx, 4096)";
        }
    }
    mod io::console {
        consts {}
        types {
            XENCONS_RING_IDX
        }
        structs {
            xencons_interface { r#in out in_cons in_prod out_cons out_prod }
        }
        exprs {
            MASK_XENCONS_IDX(5000, 2048)
                = "MASK_XENCONS_IDX(5000, ((struct xencons_interface *)0)->out)";
        }
    }
    mod io::blkif {
        consts {
            BLKIF_OP_READ BLKIF_OP_WRITE BLKIF_OP_WRITE_BARRIER BLKIF_OP_FLUSH_DISKCACHE
            BLKIF_OP_RESERVED_1 BLKIF_OP_DISCARD BLKIF_OP_INDIRECT BLKIF_MAX_SEGMENTS_PER_REQUEST
            BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST BLKIF_DISCARD_SECURE BLKIF_RSP_EOPNOTSUPP
            BLKIF_RSP_ERROR BLKIF_RSP_OKAY VDISK_CDROM VDISK_REMOVABLE VDISK_READONLY
        }
        types {
            blkif_vdev_t blkif_sector_t
        }
        structs {
            blkif_request_segment { gref first_sect last_sect }
            blkif_request { operation nr_segments handle id sector_number seg }
            blkif_request_discard { operation flag handle id sector_number nr_sectors }
            blkif_request_indirect {
                operation indirect_op nr_segments id sector_number handle indirect_grefs
            }
            blkif_response { id operation status }
        }
        exprs {}
    }
    mod io::xenbus {
        consts {
            XenbusStateUnknown XenbusStateInitialising XenbusStateInitWait XenbusStateInitialised
            XenbusStateConnected XenbusStateClosing XenbusStateClosed XenbusStateReconfiguring
            XenbusStateReconfigured
        }
        types {
            XenbusState
        }
        structs {
        }
        exprs {}
    }
    mod io::netif {
        consts {
            XEN_NETIF_NR_SLOTS_MIN NETTXF_csum_blank NETTXF_data_validated NETTXF_more_data
            NETTXF_extra_info XEN_NETIF_MAX_TX_SIZE XEN_NETIF_EXTRA_TYPE_NONE
            XEN_NETIF_EXTRA_TYPE_GSO XEN_NETIF_EXTRA_TYPE_MCAST_ADD XEN_NETIF_EXTRA_TYPE_MCAST_DEL
            XEN_NETIF_EXTRA_TYPE_HASH XEN_NETIF_EXTRA_TYPE_MAX XEN_NETIF_EXTRA_FLAG_MORE
            XEN_NETIF_GSO_TYPE_NONE XEN_NETIF_GSO_TYPE_TCPV4 XEN_NETIF_GSO_TYPE_TCPV6
            NETRXF_data_validated NETRXF_csum_blank NETRXF_more_data NETRXF_extra_info
            NETRXF_gso_prefix NETIF_RSP_DROPPED NETIF_RSP_ERROR NETIF_RSP_OKAY NETIF_RSP_NULL
        }
        types {}
        structs {
            netif_tx_request { gref offset flags id size }
            netif_extra_info { r#type flags u }
            netif_extra_info_gso = "MEMBER(struct netif_extra_info, u.gso)" {
                size r#type pad features
            }
            netif_tx_response { id status }
            netif_rx_request { id pad gref }
            netif_rx_response { id offset flags status }
        }
        exprs {}
    }
    mod io::pciif {
        consts {
            _XEN_PCIF_active XEN_PCIF_active _XEN_PCIB_AERHANDLER XEN_PCIB_AERHANDLER
            _XEN_PCIB_active XEN_PCIB_active XEN_PCI_OP_conf_read XEN_PCI_OP_conf_write
            XEN_PCI_OP_enable_msi XEN_PCI_OP_disable_msi XEN_PCI_OP_enable_msix
            XEN_PCI_OP_disable_msix XEN_PCI_OP_aer_detected XEN_PCI_OP_aer_resume
            XEN_PCI_OP_aer_mmio XEN_PCI_OP_aer_slotreset XEN_PCI_OP_enable_multi_msi
            XEN_PCI_ERR_success XEN_PCI_ERR_dev_not_found XEN_PCI_ERR_invalid_offset
            XEN_PCI_ERR_access_denied XEN_PCI_ERR_not_implemented XEN_PCI_ERR_op_failed
            SH_INFO_MAX_VEC
        }
        types {}
        structs {
            xen_msix_entry { vector entry }
            xen_pci_op { cmd err domain bus devfn offset size value info msix_entries }
            xen_pcie_aer_op { cmd err domain bus devfn }
            xen_pci_sharedinfo { flags op aer_op }
        }
        exprs {}
    }
    mod io::xs_wire {
        consts {
            XS_CONTROL XS_DEBUG XS_DIRECTORY XS_READ XS_GET_PERMS XS_WATCH XS_UNWATCH
            XS_TRANSACTION_START XS_TRANSACTION_END XS_INTRODUCE XS_RELEASE XS_GET_DOMAIN_PATH
            XS_WRITE XS_MKDIR XS_RM XS_SET_PERMS XS_WATCH_EVENT XS_ERROR XS_IS_DOMAIN_INTRODUCED
            XS_RESUME XS_SET_TARGET XS_RESET_WATCHES XS_DIRECTORY_PART XS_TYPE_COUNT XS_INVALID
            XS_WATCH_PATH XS_WATCH_TOKEN XENSTORE_RING_SIZE XENSTORE_PAYLOAD_MAX
            XENSTORE_ABS_PATH_MAX XENSTORE_REL_PATH_MAX XENSTORE_SERVER_FEATURE_RECONNECTION
            XENSTORE_SERVER_FEATURE_ERROR XENSTORE_CONNECTED XENSTORE_RECONNECT
            XENSTORE_ERROR_NONE XENSTORE_ERROR_COMM XENSTORE_ERROR_RINGIDX XENSTORE_ERROR_PROTO
        }
        types {
            XENSTORE_RING_IDX
        }
        structs {
            xsd_sockmsg { r#type req_id tx_id len }
            xenstore_domain_interface {
                req rsp req_cons req_prod rsp_cons rsp_prod server_features connection error
            }
        }
        exprs {
            MASK_XENSTORE_IDX(5000);
        }
    }
}
