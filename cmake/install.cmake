# Installs libraries, headers, the CMake package (find_package(xa_tm)) and the pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(XA_TM_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/xa_tm)
set(XA_TM_LIBRARIES xa_tm_recovery_log xa_tm xa_tm_postgres xa_tm_mysql)

# Public headers lie in one folder whatever part they belong to: every path starts with xa_tm/.
install(TARGETS ${XA_TM_LIBRARIES} EXPORT xa_tm-targets
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT xa_tm-targets NAMESPACE xa_tm:: DESTINATION ${XA_TM_PACKAGE_DIR})

# A component of its own, because it needs GoogleTest.
if(XA_TM_BUILD_CONFORMANCE)
    install(TARGETS xa_tm_conformance xa_tm_conformance_suite EXPORT xa_tm-conformance-targets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT xa_tm-conformance-targets NAMESPACE xa_tm::
        DESTINATION ${XA_TM_PACKAGE_DIR})
endif()

configure_package_config_file(cmake/xa_tm-config.cmake.in xa_tm-config.cmake
    INSTALL_DESTINATION ${XA_TM_PACKAGE_DIR})
write_basic_package_version_file(xa_tm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/xa_tm-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/xa_tm-config-version.cmake
    cmake/dependencies.cmake
    cmake/FindMySQLClient.cmake
    cmake/FindSoci.cmake
    DESTINATION ${XA_TM_PACKAGE_DIR})

set(XA_TM_CFLAGS "")
if(MySQLClient_KIND STREQUAL "mysql")
    set(XA_TM_CFLAGS " -DXA_TM_MYSQL_CLIENT_OF_MYSQL")
endif()
configure_file(cmake/xa_tm.pc.in xa_tm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/xa_tm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(XA_TM_BUILD_CLI)
    install(TARGETS xa-recover)
    configure_file(packaging/xa-recover-watch@.service.in xa-recover-watch@.service @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/xa-recover-watch@.service
        DESTINATION lib/systemd/system)
    install(FILES packaging/prometheus-alerts.yml DESTINATION ${CMAKE_INSTALL_DATADIR}/xa_tm)
    if(NOT CMAKE_CROSSCOMPILING)
        set(XA_RECOVER_TEXTS_DIR ${PROJECT_BINARY_DIR}/cli)
        install(FILES ${XA_RECOVER_TEXTS_DIR}/xa-recover.1
            DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
        # Where each shell looks for what packages bring.
        install(FILES ${XA_RECOVER_TEXTS_DIR}/xa-recover.bash
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME xa-recover)
        install(FILES ${XA_RECOVER_TEXTS_DIR}/xa-recover.zsh
            DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _xa-recover)
        install(FILES ${XA_RECOVER_TEXTS_DIR}/xa-recover.fish
            DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
    endif()
endif()
